import Jobs

/// One object as the line of JSON that every command of this program prints.
func jsonLine(_ value: some Encodable) throws -> String {
    String(decoding: try JobCoding.encode(value), as: UTF8.self)
}
