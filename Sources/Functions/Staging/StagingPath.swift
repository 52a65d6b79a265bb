/// Rules for paths inside a mount: what may be joined to a folder without leading anywhere else.
package enum StagingPath {
    /// What NAME_MAX of Linux allows.
    package static let longestComponent = 255
    /// What PATH_MAX of Linux allows, less its NUL.
    package static let longest = 4095
    /// How names begin that Weir gives to files on their way.
    package static let reservedPrefix = ".weir-"
    /// How the record of an output's origin is called after it.
    package static let provenanceSuffix = ".weir.json"

    /// The path with its empty parts left out; `nil` when it is absolute, leads upwards or holds what no path may.
    package static func normalised(_ path: String) -> String? {
        guard !path.hasPrefix("/") else { return nil }
        let parts = path.utf8.split(separator: 0x2F).map { String(Substring($0)) }
        guard parts.allSatisfy(isComponent) else { return nil }
        let joined = parts.joined(separator: "/")
        return joined.utf8.count <= longest ? joined : nil
    }

    /// Whether this is the name of a file or folder and nothing more.
    package static func isComponent(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && name.utf8.count <= longestComponent
            && !name.utf8.contains { $0 == 0x2F || $0 < 0x20 || $0 == 0x7F }
    }

    /// Whether a file of an output may be called so; names that Weir itself gives are not to be taken.
    package static func isOutputName(_ name: String) -> Bool {
        isComponent(name) && !name.hasPrefix(reservedPrefix) && !name.hasSuffix(provenanceSuffix)
    }

    /// `path` seen from `folder` (both absolute or both relative); `nil` when it does not lie below it.
    package static func relative(_ path: String, to folder: String) -> String? {
        let base = folder.hasSuffix("/") ? String(folder.dropLast()) : folder
        guard path.utf8.starts(with: base.utf8) else { return nil }
        let rest = path.utf8.dropFirst(base.utf8.count)
        guard rest.first == 0x2F else { return nil }
        return String(Substring(rest.drop { $0 == 0x2F }))
    }

    /// The folder part of a relative path (empty at the top) and the last name.
    package static func split(_ path: String) -> (directory: String, name: String) {
        guard let slash = path.utf8.lastIndex(of: 0x2F) else { return ("", path) }
        return (String(path[..<slash]), String(path[path.utf8.index(after: slash)...]))
    }

    /// A name as stem and extension (without its point); a leading point belongs to the stem.
    package static func splitExtension(_ name: String) -> (stem: String, suffix: String) {
        guard let point = name.utf8.lastIndex(of: 0x2E), point != name.startIndex else { return (name, "") }
        return (String(name[..<point]), String(name[name.utf8.index(after: point)...]))
    }
}
