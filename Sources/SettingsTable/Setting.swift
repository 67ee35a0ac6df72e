/// When a changed setting takes effect.
public enum SettingChange: Sendable {
    /// When the settings are read again.
    case onReload
    /// When the service starts.
    case onRestart
}

/// One key of a settings file, bound to a property of `Root`.
///
/// A table of these is the only declaration of a key: reading, error messages, the installed settings file, the manual
/// page and the keys that need a restart all come from it.
///
/// ```swift
/// static let table: [Setting<InboxSettings>] = [
///     Setting("stable", \.stableSeconds, .duration(), change: .onRestart,
///         "How long a file must be unchanged before it is taken.")
/// ]
/// ```
public struct Setting<Root>: Sendable {
    /// The key, with a dot for each level of nesting: `schedule.settle`.
    public let key: String
    /// Describes the accepted values, to follow "expected" or "Expects".
    public let expected: String
    /// Describes the key in complete sentences.
    public let documentation: String
    public let change: SettingChange
    /// Whether the value is a list of texts. A scalar is then read as a list of one element.
    public let isList: Bool

    private let read: @Sendable (_ texts: [String], _ root: inout Root) throws(ValueError) -> Void
    private let show: @Sendable (_ root: Root) -> String
    private let check: @Sendable (_ root: Root) -> Bool
    private let compare: @Sendable (_ one: Root, _ other: Root) -> Bool
    private let copy: @Sendable (_ source: Root, _ target: inout Root) -> Void

    public init<Value: Sendable & Equatable>(
        _ key: String, _ path: any WritableKeyPath<Root, Value> & Sendable, _ format: ValueFormat<Value>,
        change: SettingChange, _ documentation: String
    ) {
        self.key = key
        self.documentation = documentation
        self.change = change
        expected = format.expected
        isList = format.isList
        read = { texts, root throws(ValueError) in root[keyPath: path] = try format.read(texts) }
        show = { format.text($0[keyPath: path]) }
        check = { format.accepts($0[keyPath: path]) }
        compare = { $0[keyPath: path] == $1[keyPath: path] }
        copy = { $1[keyPath: path] = $0[keyPath: path] }
    }

    /// The same setting of the structure that holds `Root` at `path`, nested under `section`.
    public init<Inner>(
        _ inner: Setting<Inner>, in section: String?, _ path: any WritableKeyPath<Root, Inner> & Sendable
    ) {
        key = section.map { "\($0).\(inner.key)" } ?? inner.key
        expected = inner.expected
        documentation = inner.documentation
        change = inner.change
        isList = inner.isList
        read = { texts, root throws(ValueError) in try inner.read(texts, &root[keyPath: path]) }
        show = { inner.show($0[keyPath: path]) }
        check = { inner.check($0[keyPath: path]) }
        compare = { inner.compare($0[keyPath: path], $1[keyPath: path]) }
        copy = { inner.copy($0[keyPath: path], &$1[keyPath: path]) }
    }

    /// Sets the property to the value of `texts`, which has one element unless `isList`.
    /// - Throws: `ValueError` if the text is malformed or the value out of range; `root` is then unchanged
    public func apply(_ texts: [String], to root: inout Root) throws(ValueError) { try read(texts, &root) }

    /// Returns the property as a settings file shows it.
    public func text(of root: Root) -> String { show(root) }

    /// Returns whether the property is in range.
    public func accepts(_ root: Root) -> Bool { check(root) }

    /// Returns whether the property has the same value in both.
    public func isEqual(_ one: Root, _ other: Root) -> Bool { compare(one, other) }

    /// Copies the property.
    public func copy(from source: Root, to target: inout Root) { copy(source, &target) }
}

extension Array {
    /// The settings of a structure that holds `Inner` at `path`, nested under `section`, or at the same level as its
    /// own settings if `section` is nil.
    public func nested<Inner, Root>(
        in section: String?, _ path: any WritableKeyPath<Root, Inner> & Sendable
    ) -> [Setting<Root>] where Element == Setting<Inner> {
        map { Setting<Root>($0, in: section, path) }
    }
}
