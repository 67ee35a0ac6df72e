import Glibc
import Varlink

/// Who may call a method.
public enum MethodAccess: Sendable, Equatable {
    /// Every user who can connect.
    case everyone
    /// The service's `Administrators`. For methods that modify state.
    case administrators
}

/// The users who may call methods that modify state: root, the service's own user and the members of a group.
///
/// Membership is determined from the credentials and supplementary groups that the kernel recorded when the client
/// connected.
public struct Administrators: Sendable, Equatable {
    /// Root and the user that this process runs as.
    public static let ownUser = Administrators(user: geteuid(), userName: userName(geteuid()))

    private let user: uid_t
    private let group: gid_t?
    /// The administrators in words, for error messages.
    public let description: String

    /// - Parameter group: the group whose members are administrators in addition to root and the service's own user.
    /// - Throws: `groupNotFound`.
    public init(group name: String?) throws(VarlinkListenError) {
        guard let name else {
            self = .ownUser
            return
        }
        guard let entry = getgrnam(name) else { throw .groupNotFound(group: name) }
        self.init(
            user: geteuid(), userName: Self.userName(geteuid()), group: entry.pointee.gr_gid, groupName: name)
    }

    package init(user: uid_t, userName: String, group: gid_t? = nil, groupName: String? = nil) {
        self.user = user
        self.group = group
        var names = ["root"]
        if user != 0 { names.append("the user \(userName)") }
        if let groupName { names.append("a member of the group \(groupName)") }
        description = names.joined(separator: " or ")
    }

    private static func userName(_ user: uid_t) -> String {
        getpwuid(user).map { String(cString: $0.pointee.pw_name) } ?? "\(user)"
    }

    package func includes(_ peer: PeerCredentials) -> Bool {
        if peer.uid == 0 || peer.uid == user { return true }
        guard let group else { return false }
        return peer.gid == group || peer.groups.contains(group)
    }
}
