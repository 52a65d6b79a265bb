import Manifest
import CloudEvents

/// The key `requirements` of a function.
extension FunctionSpec {
    /// The runtimes whose packages can be installed.
    private static let installable: Set<FunctionVersion.Runtime> = [.python, .nodejs]

    /// A file of the code, or the list itself.
    static func requirements(
        _ reader: inout DocumentReader, _ runtime: FunctionVersion.Runtime
    ) throws(DocumentError) -> Requirements? {
        guard let value = reader.value("requirements") else { return nil }
        let path = reader.path(of: "requirements")
        guard installable.contains(runtime) else {
            throw DocumentError(
                path: path, message: "packages are installed for python and nodejs only, not for \(runtime.rawValue)")
        }
        switch value {
        case .string(let file):
            guard !file.isEmpty, !file.hasPrefix("/"), !file.utf8.contains(where: { $0 < 0x20 }),
                !file.utf8.split(separator: UInt8(ascii: "/")).contains(where: { $0.elementsEqual("..".utf8) })
            else { throw DocumentError(path: path, message: "a file of the code was expected: requirements.txt") }
            if runtime == .nodejs, file != "package.json", !file.hasSuffix("/package.json") {
                throw DocumentError(
                    path: path, message: "for nodejs this names the package.json of the code, or lists packages")
            }
            return .file(file)
        case .array(let items):
            var lines: [String] = []
            for (index, item) in items.enumerated() {
                let place = "\(path)[\(index)]"
                guard let line = item.string else {
                    throw DocumentError(path: place, message: "a string was expected, not \(item.kindName)")
                }
                // An option would change where packages come from, or what else is done.
                guard let first = line.utf8.first, first != UInt8(ascii: "-"),
                    !line.utf8.contains(where: { $0 < 0x20 })
                else { throw DocumentError(path: place, message: "a package was expected, such as numpy==2.1.0") }
                lines.append(line)
            }
            guard !lines.isEmpty, lines.count <= 256 else {
                throw DocumentError(path: path, message: "1 to 256 packages are allowed")
            }
            return .list(lines)
        default:
            throw DocumentError(
                path: path, message: "a file of the code or a list of packages was expected, not \(value.kindName)")
        }
    }
}

extension Requirements {
    var document: JSONValue {
        switch self {
        case .file(let name): .string(name)
        case .list(let lines): .array(lines.map { .string($0) })
        }
    }
}
