import FoundationEssentials
import Interface
import Varlink

extension FuzzTarget {
    /// The first byte is the size of the pieces in which the rest arrives. The messages must not depend on the pieces.
    static let framer = FuzzTarget(
        name: "framer", seeds: [[3] + Array("{\"method\":\"a.b\"}\0{}\0".utf8), [1, 0, 0, 65, 0], [200]]
    ) { input in
        guard let first = input.first else { return }
        let bytes = Array(input.dropFirst())
        let whole = messages(bytes, pieces: max(1, bytes.count))
        let pieces = messages(bytes, pieces: Int(first) + 1)
        expect(whole == pieces, "\(whole) in one piece, \(pieces) in pieces of \(Int(first) + 1)")
        expect(whole.allSatisfy { !$0.contains(0) && $0.count <= 64 }, "a message contains NUL or is too long")
    }

    private static func messages(_ bytes: [UInt8], pieces size: Int) -> [[UInt8]] {
        var framer = MessageFramer(limit: 64)
        var messages: [[UInt8]] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            framer.append(bytes[start..<min(bytes.count, start + size)])
            do {
                while let message = try framer.next() { messages.append(message) }
            } catch {
                return messages
            }
        }
        return messages
    }

    /// A decoded value must be unchanged after encoding and decoding it.
    static let json = FuzzTarget(
        name: "json", seeds: texts(#"{"a":[1,-0.5,1e300,"ü\ud83d\ude00",null,true,{}]}"#, "[[[]]]", "0", #""\u0000""#)
    ) { input in
        guard let value = try? JSONDecoder().decode(JSONValue.self, from: Data(input)) else { return }
        let again = try? JSONDecoder().decode(JSONValue.self, from: Data(value.text.utf8))
        expect(again == value, "\(value.text) became \(again?.text ?? "undecodable")")
    }

    /// A call as received by the server: the header, the parameters of each method, and the error for invalid
    /// parameters.
    static let calls: [FuzzTarget] = [
        calls("inference", InferenceInterface.methods, InferenceInterface.description),
        calls("manager", ManagerInterface.methods, ManagerInterface.description),
        // Arbitrary replies of a service, as received by a client.
        FuzzTarget(
            name: "replies",
            seeds: texts(
                #"{"parameters":{"text":"a","finish_reason":"stop","receipt":{"model":"m","generation":1,"model_sha256":"","seed":1}}}"#,
                #"{"continues":true,"parameters":{"event":{"kind":"step","message":"","fields":{},"time":""}}}"#,
                #"{"error":"org.varlink.service.InvalidParameter","parameters":{"parameter":"a"}}"#)
        ) { input in
            guard let header = try? VarlinkCoding.decodeReply(input) else { return }
            if let name = header.error {
                let parameters = try? VarlinkCoding.decodeParameters(JSONValue.self, of: input)
                _ = VarlinkServiceError(name: name, parameters: parameters)
            }
            for method in InferenceInterface.methods + ManagerInterface.methods { tryReply(method, input) }
        },
    ]

    private static func calls(
        _ name: String, _ methods: [any VarlinkMethod.Type], _ description: String
    ) -> FuzzTarget {
        let sampling =
            #"{"method":"io.kantaibert.Inference.Generate","more":true,"parameters":{"prompt":"a","sampling":{"max_new_tokens":9,"temperature":0.5,"top_k":4,"top_p":0.9,"min_p":0,"repetition_penalty":1.1,"stop":["x"],"seed":7}}}"#
        let oneway = #"{"method":"a.b","oneway":true}"#
        let seeds = methods.map { Array(validCall($0, description).utf8) } + texts(sampling, oneway)
        return FuzzTarget(name: name, seeds: seeds) { input in
            guard (try? VarlinkCoding.decodeCall(input)) != nil else { return }
            for method in methods { tryCall(method, input) }
        }
    }

    /// Returns a call with a value for each parameter of the method's definition.
    private static func validCall<M: VarlinkMethod>(_ method: M.Type, _ description: String) -> String {
        let name = M.name.split(separator: ".").last ?? ""
        let parameters = validValue(of: "method \(name)", description) ?? "{}"
        let call = #"{"method":"\#(M.name)","parameters":\#(parameters)}"#
        expect(
            (try? VarlinkCoding.decodeCallParameters(M.self, of: Array(call.utf8))) != nil, "an invalid seed: \(call)")
        return call
    }

    /// Returns an object with a value for each field of the definition of a method or a type.
    private static func validValue(of definition: String, _ description: String) -> String? {
        guard let start = description.firstRange(of: "\(definition)(") ?? description.firstRange(of: "\(definition) (")
        else { return nil }
        var fields = [""]
        var depth = 0
        // Up to the parenthesis that closes the definition; comments are not part of it.
        let text = description[start.upperBound...].split(separator: "\n").map { $0.prefix { $0 != "#" } }.joined()
        for character in text {
            if character == "(" { depth += 1 }
            if character == ")" { depth -= 1 }
            if depth < 0 { break }
            if character == ",", depth == 0 { fields.append("") } else { fields[fields.count - 1].append(character) }
        }
        let members = fields.compactMap { field -> String? in
            let words = field.split(separator: ":", maxSplits: 1).map { $0.filter { !$0.isWhitespace } }
            return words.count == 2 ? "\"\(words[0])\":\(validValue(words[1][...], description))" : nil
        }
        return "{\(members.joined(separator: ","))}"
    }

    private static func validValue(_ type: Substring, _ description: String) -> String {
        if type.hasPrefix("?") { return validValue(type.dropFirst(), description) }
        if type.hasPrefix("[]") { return "[\(validValue(type.dropFirst(2), description))]" }
        // The first of the names of an enumeration.
        if type.hasPrefix("(") { return "\"\(type.dropFirst().prefix { $0 != "," && $0 != ")" })\"" }
        return switch type {
        case "string": #""a""#
        case "int": "1"
        case "float": "0.5"
        case "bool": "true"
        default: validValue(of: "type \(type)", description) ?? "{}"
        }
    }

    private static func tryCall<M: VarlinkMethod>(_ method: M.Type, _ message: [UInt8]) {
        do {
            let parameters = try VarlinkCoding.decodeCallParameters(M.self, of: message)
            // Parameters that were accepted can be sent.
            let sent = Array(try VarlinkCoding.encodeCall(M.self, parameters))
            _ = try VarlinkCoding.decodeCallParameters(M.self, of: sent)
        } catch VarlinkServiceError.invalidParameter(let parameter) {
            expect(!parameter.isEmpty, "the error names no parameter")
        } catch {
            expect(false, "parameters that were accepted cannot be sent: \(error)")
        }
    }

    private static func tryReply<M: VarlinkMethod>(_ method: M.Type, _ message: [UInt8]) {
        _ = try? VarlinkCoding.decodeParameters(M.Reply.self, of: message)
    }

    static func texts(_ texts: String...) -> [[UInt8]] { texts.map { Array($0.utf8) } }
}
