/// Traps if `condition` is false, in every build configuration.
///
/// This module and the modules that depend on it are built with `-Ounchecked`, where the compiler assumes that a
/// `precondition` holds instead of checking it. Checks that memory safety depends on must therefore use this function.
/// Invalid files and requests are rejected with an error before they reach such a check.
@inlinable
@inline(__always)
public func checked(_ condition: Bool, _ message: @autoclosure () -> String = "a broken invariant") {
    if !condition { fatalError(message()) }
}
