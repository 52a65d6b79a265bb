internal import Functions
internal import Manifest

/// A folder of the machine that the operator lets functions use, by a name.
package struct StorageMount: Sendable, Hashable {
    package var name: String
    /// Absolute, on this machine.
    package var path: String
    package var isWritable: Bool
    /// The namespaces that may use it; `nil`: all of them.
    package var namespaces: Set<String>?
    /// How paths in events begin that lie on this mount (absolute); `nil`: as on this machine.
    package var subject: String?
    /// To whom files belong that Weir makes on it; `nil`: the server's user.
    package var owner: FileOwner?

    package init(
        name: String, path: String, isWritable: Bool = false, namespaces: Set<String>? = nil, subject: String? = nil,
        owner: FileOwner? = nil
    ) {
        self.name = name
        self.path = path
        self.isWritable = isWritable
        self.namespaces = namespaces
        self.subject = subject
        self.owner = owner
    }

    /// Why a text declares no mount.
    package struct Fault: Error, Sendable, Hashable, CustomStringConvertible {
        package let message: String
        package var description: String { message }
    }

    /// Reads `NAME=/path[:ro|:rw][,subject=/prefix][,namespace=NAME]…[,owner=UID[:GID]]`, as on the command line.
    package init(parsing text: String) throws(Fault) {
        var parts = text.split(separator: ",", omittingEmptySubsequences: false)
        let first = parts.removeFirst()
        guard let equals = first.firstIndex(of: "=") else {
            throw Fault(message: "\"\(text)\": NAME=/path was expected, with :rw behind it when functions may write")
        }
        let name = String(first[..<equals])
        var path = first[first.index(after: equals)...]
        isWritable = path.hasSuffix(":rw")
        if isWritable || path.hasSuffix(":ro") { path = path.dropLast(3) }
        do {
            try MountRequest.check(name, path: "")
        } catch {
            throw Fault(message: "\"\(text)\": \(error.message)")
        }
        self.name = name
        self.path = try Self.absolute(String(path), in: text)
        for part in parts {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard pair.count == 2, !pair[1].isEmpty else {
                throw Fault(
                    message: "\"\(text)\": \"\(part)\" is not understood: subject=, namespace= or owner= was expected")
            }
            switch pair[0] {
            case "subject": subject = try Self.absolute(pair[1], in: text)
            case "namespace": namespaces = (namespaces ?? []).union([pair[1]])
            case "owner": owner = try Self.owner(pair[1], in: text)
            default:
                throw Fault(
                    message:
                        "\"\(text)\": \"\(pair[0])\" is not understood: subject=, namespace= or owner= was expected")
            }
        }
    }

    private static func absolute(_ path: String, in text: String) throws(Fault) -> String {
        guard path.hasPrefix("/"), let normal = StagingPath.normalised(String(path.drop { $0 == "/" })) else {
            throw Fault(message: "\"\(text)\": \"\(path)\" is no absolute path")
        }
        return "/" + normal
    }

    private static func owner(_ value: String, in text: String) throws(Fault) -> FileOwner {
        let ids = value.split(separator: ":", omittingEmptySubsequences: false).map { UInt32($0) }
        guard ids.count <= 2, let user = ids[0], let group = ids.count == 2 ? ids[1] : user else {
            throw Fault(message: "\"\(text)\": owner=UID or owner=UID:GID was expected, as numbers")
        }
        return FileOwner(user: user, group: group)
    }

    /// Whether functions of a namespace may use it.
    package func serves(_ namespace: String) -> Bool { namespaces?.contains(namespace) ?? true }
}
