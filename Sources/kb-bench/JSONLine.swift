import Jobs

/// Encodes a result as one line of JSON, the output format of every command.
func jsonLine(_ value: some Encodable) throws -> String {
    String(decoding: try JobCoding.encode(value), as: UTF8.self)
}
