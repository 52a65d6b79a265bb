internal import Foundation
internal import Glibc

/// A program that starts containers from bundles (OCI runtime specification), and how it has to be called here.
package struct OCIRuntime: Sendable, Hashable {
    package enum Kind: String, Sendable, Hashable, CaseIterable {
        case runc, crun
        /// gVisor: a kernel of its own between the container and ours.
        case runsc
    }

    package let kind: Kind
    /// Absolute.
    package let path: String
    /// Whether the server is root; else the runtime runs in a user namespace of the server's own.
    package let isPrivileged: Bool
    /// Whether the unified cgroup tree is hidden from it: crun refuses to see two trees.
    package let hidesUnified: Bool

    /// The program of a kind, wherever system programs are; `nil` when there is none.
    package init?(_ kind: Kind) {
        let folders = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/bin", "/sbin"]
        guard let folder = folders.first(where: { access("\($0)/\(kind.rawValue)", X_OK) == 0 }) else { return nil }
        self.init(kind, path: "\(folder)/\(kind.rawValue)")
    }

    package init(_ kind: Kind, path: String) {
        self.kind = kind
        self.path = path
        isPrivileged = geteuid() == 0
        hidesUnified = kind == .crun && access("/sys/fs/cgroup/unified/cgroup.controllers", F_OK) == 0
    }

    /// Whether the container gets a user namespace by the runtime. gVisor has ids of its own and needs none of ours.
    var makesIdentities: Bool { isPrivileged && kind != .runsc }
    /// gVisor's own network has no way in; it is given the one of a namespace that is made for it.
    var makesNetwork: Bool { kind != .runsc }

    /// Letters for `weir-launcher container`.
    var flags: String {
        let flags = (isPrivileged ? "" : "u") + (makesNetwork ? "" : "n") + (hidesUnified ? "h" : "")
        return flags.isEmpty ? "-" : flags
    }

    /// How a bundle in the current folder is run: in the foreground, so that its end is the container's.
    ///
    /// - Parameters:
    ///   - folder: where the bundle is; what the runtime keeps of it goes there too, and goes with it.
    ///   - group: below which of the caller's control groups it makes one; `nil`: it makes none.
    func arguments(folder: String, pidFile: String, id: String, group: String?) -> [String] {
        var arguments = [path, "--root", folder + "/state"]
        switch kind {
        case .runc: if !isPrivileged { arguments += ["--rootless", "true"] }
        // Its processes stay in the caller's groups.
        case .crun: arguments += ["--cgroup-manager=disabled"]
        case .runsc: arguments += ["--network=host", "--ignore-cgroups"]
        }
        arguments.append("run")
        // The group must be there when its counts are read.
        if group != nil { arguments.append("--keep") }
        return arguments + ["--pid-file", pidFile, "--bundle", folder, id]
    }
}
