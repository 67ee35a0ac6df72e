/// Hashes short byte strings, based on wyhash: two overlapping loads and one wide multiplication for up to 16 bytes.
@inline(__always)
func byteHash(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
    let raw = UnsafeRawPointer(bytes)
    if count <= 16 {
        let (a, b): (UInt64, UInt64)
        if count >= 8 {
            a = raw.loadUnaligned(as: UInt64.self)
            b = raw.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)
        } else if count >= 4 {
            a = UInt64(raw.loadUnaligned(as: UInt32.self))
            b = UInt64(raw.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self))
        } else if count > 0 {
            a = UInt64(bytes[0]) << 16 | UInt64(bytes[count >> 1]) << 8 | UInt64(bytes[count - 1])
            b = 0
        } else {
            (a, b) = (0, 0)
        }
        return folded(a ^ 0xA076_1D64_78BD_642F, b ^ 0xE703_7ED1_A0B4_28DB ^ (UInt64(count) &* 0x9E37_79B9_7F4A_7C15))
    }
    var state = UInt64(count) &* 0x9E37_79B9_7F4A_7C15
    var position = 0
    while position + 16 < count {
        let a = raw.loadUnaligned(fromByteOffset: position, as: UInt64.self)
        let b = raw.loadUnaligned(fromByteOffset: position + 8, as: UInt64.self)
        state = folded(a ^ 0xA076_1D64_78BD_642F, b ^ state)
        position += 16
    }
    let a = raw.loadUnaligned(fromByteOffset: count - 16, as: UInt64.self)
    let b = raw.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)
    return folded(a ^ 0xE703_7ED1_A0B4_28DB, b ^ state)
}

@inline(__always)
func folded(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return product.high ^ product.low
}

/// Whether two byte strings of the same length, at least 1, are equal. Avoids the call to `memcmp` for short strings.
@inline(__always)
func byteEqual(_ a: UnsafePointer<UInt8>, _ b: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    let (x, y) = (UnsafeRawPointer(a), UnsafeRawPointer(b))
    if count >= 8 {
        var position = 0
        while position &+ 8 < count {
            if x.loadUnaligned(fromByteOffset: position, as: UInt64.self)
                != y.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            {
                return false
            }
            position &+= 8
        }
        return x.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)
            == y.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)
    }
    if count >= 4 {
        return x.loadUnaligned(as: UInt32.self) == y.loadUnaligned(as: UInt32.self)
            && x.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self)
                == y.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self)
    }
    return a[0] == b[0] && a[count >> 1] == b[count >> 1] && a[count &- 1] == b[count &- 1]
}
