/// Ends the process where a condition does not hold, in every build.
///
/// This module and those above it are built with `-Ounchecked`, where `precondition` is not checked but assumed: what
/// protects memory is checked by this. What a file or a request can bring about is refused with an error before it gets here.
@inlinable
@inline(__always)
public func checked(_ condition: Bool, _ message: @autoclosure () -> String = "a broken invariant") {
    if !condition { fatalError(message()) }
}
