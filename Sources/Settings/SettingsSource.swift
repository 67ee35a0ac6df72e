import Configuration

/// The text values of the settings, from the environment or else from a YAML file.
package struct SettingsSource {
    private let file: String?
    private let yaml: YAMLSnapshot?
    private let environment: any ConfigSnapshot
    package let places: YAMLKeyPlaces

    /// - Parameters:
    ///   - file: the path, for messages; nil if there is no file
    ///   - text: the file's content
    package init(file: String?, text: String, environment: [String: String]) throws(SettingsError) {
        // Editors on Windows begin a file with a byte order mark, which would be a part of the first key, and end lines with
        // CR LF, which is one Character.
        let marked = text.unicodeScalars.first == "\u{FEFF}" ? String(text.unicodeScalars.dropFirst()) : text
        let text = marked.replacing("\r\n", with: "\n")
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

    /// Returns the text of a scalar, or nil if its key is missing, empty or `null`.
    package func text(_ key: String) throws(SettingsError) -> String? {
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

    /// Returns the elements of a list, which commas separate in the environment; a scalar is a list of one.
    func list(_ key: String) throws(SettingsError) -> [String]? {
        let variable = AbsoluteConfigKey(["kantaibert"] + key.split(separator: ".").map(String.init))
        if case .stringArray(let texts)? = try? environment.value(forKey: variable, type: .stringArray).value?.content {
            return texts.filter { !$0.isEmpty }
        }
        if let texts = listInFile(key) { return texts }
        return try text(key).map { [$0] }
    }

    /// Returns the elements of a list in the file, regardless of the environment.
    func listInFile(_ key: String) -> [String]? {
        let absolute = AbsoluteConfigKey(key.split(separator: ".").map(String.init))
        guard case .stringArray(let texts)? = try? yaml?.value(forKey: absolute, type: .stringArray).value?.content
        else { return nil }
        return texts
    }

    /// Returns where the value of `key` is set, or nil if it has none and its default applies.
    func origin(of key: String) -> SettingOrigin? {
        let isSet = (try? text(key)) ?? nil != nil || (try? list(key))?.isEmpty == false
        guard isSet else { return nil }
        return isInEnvironment(key)
            ? .environment(variable: SettingsSource.variable(for: key)) : .file(place: place(of: key))
    }

    private func isInEnvironment(_ key: String) -> Bool {
        let variable = AbsoluteConfigKey(["kantaibert"] + key.split(separator: ".").map(String.init))
        return (try? environment.value(forKey: variable, type: .string).value) != nil
    }

    /// Returns where the value of `key` is set, for messages.
    package func place(of key: String) -> String {
        if isInEnvironment(key) { return "environment variable \(SettingsSource.variable(for: key))" }
        guard let file else { return "settings" }
        return places.line(of: key).map { "\(file):\($0)" } ?? file
    }

    /// Returns the environment variable that overrides `key`: `KANTAIBERT_SCHEDULE_SETTLE` for `schedule.settle`.
    package static func variable(for key: String) -> String {
        "KANTAIBERT_" + key.uppercased().map { $0.isLetter || $0.isNumber ? String($0) : "_" }.joined()
    }
}
