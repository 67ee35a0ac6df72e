import CKernels

/// Computes x += y. Each element is rounded once.
public func add(_ y: UnsafePointer<Float>, to x: UnsafeMutablePointer<Float>, count: Int) {
    Tiles.forEach(count, size: 1 << 15) { part in
        let at = part.lowerBound
        kb_scale_add(x + at, 1, y + at, 1, part.count)
    }
}
