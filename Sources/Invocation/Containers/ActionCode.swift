internal import CloudEvents
internal import Foundation
internal import Functions
internal import Sandboxes

/// A function's code as `/init` takes it: a text, or an archive or program in Base64.
struct ActionCode: Sendable, Equatable {
    var text: String
    var isBinary: Bool

    /// The most that is sent: OpenWhisk's limit on the code of an action.
    static let limit = 48 << 20

    /// Reads a version's folder. Blocks. `nil`: all code is in the image.
    init?(_ version: FunctionVersion) throws(ContainerCodeError) {
        guard !version.codeDirectory.isEmpty, !ImageStore.isBuilt(version.container?.repository ?? "") else {
            return nil
        }
        let root = version.codeDirectory
        if let archive = FileManager.default.contents(atPath: UploadStore.file(of: root)),
            archive.starts(with: [0x50, 0x4B]), archive.count <= Self.limit
        {
            // As it came.
            text = Base64.encode([UInt8](archive))
            isBinary = true
            return
        }
        let names = FileManager.default.subpaths(atPath: root) ?? []
        var files: [(name: String, bytes: [UInt8], isExecutable: Bool)] = []
        var size = 0
        for name in names.sorted() {
            var isFolder: ObjCBool = false
            let path = root + "/" + name
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue else {
                continue
            }
            guard let data = FileManager.default.contents(atPath: path) else {
                throw ContainerCodeError("the function's code cannot be read: \(path)")
            }
            size += data.count
            guard size <= Self.limit else {
                throw ContainerCodeError(
                    "the function's code is larger than \(Self.limit >> 20) MiB, which is all that a container is sent")
            }
            files.append((name, Array(data), FileManager.default.isExecutableFile(atPath: path)))
        }
        if files.count == 1, let only = files.first {
            // What the OpenWhisk API was given as Base64 goes on as that, whatever it is.
            if only.name != "exec", let text = String(validating: only.bytes, as: UTF8.self) {
                self.text = text
                isBinary = false
            } else {
                text = Base64.encode(only.bytes)
                isBinary = true
            }
            return
        }
        var zip = ZipWriter()
        for file in files { zip.add(file.name, file.bytes, isExecutable: file.isExecutable) }
        text = Base64.encode(zip.finish())
        isBinary = true
    }
}

/// Why code cannot be sent, as a sentence.
struct ContainerCodeError: Error, Sendable, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
