import Configuration

/// The texts behind the settings: the environment first, then the file.
struct SettingsSource {
    private let file: String?
    private let yaml: YAMLSnapshot?
    private let environment: any ConfigSnapshot
    let places: YAMLKeyPlaces

    /// - Parameters:
    ///   - file: the path, for messages; nil where there is no file
    ///   - text: the file's content
    init(file: String?, text: String, environment: [String: String]) throws(SettingsError) {
        self.file = file
        self.environment = EnvironmentVariablesProvider(environmentVariables: environment).snapshot()
        places = YAMLKeyPlaces(text)
        let isBlank = text.split(separator: "\n").allSatisfy { line in
            line.allSatisfy(\.isWhitespace) || line.drop { $0 == " " }.hasPrefix("#")
        }
        if isBlank {
            yaml = nil
        } else {
            do {
                yaml = try YAMLSnapshot(
                    data: Array(text.utf8).span.bytes, providerName: file ?? "settings", parsingOptions: .default)
            } catch {
                throw SettingsError(
                    place: file ?? "settings", key: nil, expected: "YAML, a mapping of keys to values",
                    found: "\(error)".replacing("\n", with: " "))
            }
        }
    }

    /// The text of a scalar; nil where neither source has the key, or has it empty or `null`.
    func text(_ key: String) throws(SettingsError) -> String? {
        do {
            let components = key.split(separator: ".").map(String.init)
            let found =
                try environment.value(forKey: AbsoluteConfigKey(["kantaibert"] + components), type: .string).value
                ?? yaml?.value(forKey: AbsoluteConfigKey(components), type: .string).value
            guard case .string(let text)? = found?.content else { return nil }
            return ["", "null", "~"].contains(text) ? nil : text
        } catch {
            throw SettingsError(place: place(of: key), key: key, expected: "one value", found: "a list")
        }
    }

    /// The elements of a list; a scalar is a list of one. In the environment commas separate them.
    func list(_ key: String) throws(SettingsError) -> [String]? {
        let variable = AbsoluteConfigKey(["kantaibert"] + key.split(separator: ".").map(String.init))
        if case .stringArray(let texts)? = try? environment.value(forKey: variable, type: .stringArray).value?.content {
            return texts.filter { !$0.isEmpty }
        }
        if let texts = listInFile(key) { return texts }
        return try text(key).map { [$0] }
    }

    /// The elements of a list as the file has it, whatever the environment says; nil where it has none.
    func listInFile(_ key: String) -> [String]? {
        let absolute = AbsoluteConfigKey(key.split(separator: ".").map(String.init))
        guard case .stringArray(let texts)? = try? yaml?.value(forKey: absolute, type: .stringArray).value?.content
        else { return nil }
        return texts
    }

    /// Where the value of `key` was found, for messages.
    func place(of key: String) -> String {
        let variable = "KANTAIBERT_" + key.uppercased().map { $0.isLetter || $0.isNumber ? String($0) : "_" }.joined()
        let components = key.split(separator: ".").map(String.init)
        if (try? environment.value(forKey: AbsoluteConfigKey(["kantaibert"] + components), type: .string).value) != nil
        {
            return "environment variable \(variable)"
        }
        guard let file else { return "settings" }
        return places.line(of: key).map { "\(file):\($0)" } ?? file
    }
}
