internal import CLinux
internal import Functions
internal import Glibc

/// What a run left in its output folder: regular files only, by paths that can be used elsewhere.
///
/// The folder was the function's to write, so nothing in it is believed: links, devices, pipes and sockets are refused,
/// names too that a person or a program could trip over, and whatever is opened later is looked at again.
package enum OutputTree {
    /// One file of a run.
    package struct File: Sendable, Hashable {
        /// Inside the output folder.
        package var path: String
        package var size: Int64
    }

    /// How much a run may leave, beside its bytes.
    private static let fileLimit = 1_000
    private static let depthLimit = 16
    private static let folderLimit = 1_000

    /// All files below the folder, sorted by path.
    ///
    /// - Parameter limit: bytes of all files together.
    package static func list(_ root: Folder, limit: Int64) throws(StagingError) -> [File] {
        var found = Found(limit: limit)
        try walk(root, "", depth: 0, &found)
        return found.files.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    }

    private struct Found {
        let limit: Int64
        var files: [File] = []
        var folders = 0
        var bytes: Int64 = 0
    }

    private static func walk(
        _ folder: Folder, _ path: String, depth: Int, _ found: inout Found
    ) throws(StagingError) {
        guard depth <= depthLimit else {
            throw StagingError(.refused, "the outputs nest deeper than \(depthLimit) folders")
        }
        guard let names = try folder.names(limit: fileLimit + folderLimit) else { throw tooMany }
        for raw in names {
            guard let name = String(validating: raw, as: UTF8.self), StagingPath.isOutputName(name) else {
                throw StagingError(
                    .refused,
                    "an output cannot be called \(quoted(raw)): names are UTF-8 without control characters, and those that "
                        + "begin with \(StagingPath.reservedPrefix) or end with \(StagingPath.provenanceSuffix) are Weir's own"
                )
            }
            let inner = path.isEmpty ? name : path + "/" + name
            guard inner.utf8.count <= StagingPath.longest else {
                throw StagingError(.refused, "the path of an output is longer than \(StagingPath.longest) bytes")
            }
            // One that vanished meanwhile is none.
            guard let state = FileState(name, in: folder.descriptor) else { continue }
            switch state.kind {
            case .file:
                found.files.append(File(path: inner, size: state.size))
                guard found.files.count <= fileLimit else { throw tooMany }
                let (sum, overflow) = found.bytes.addingReportingOverflow(state.size)
                guard !overflow, sum <= found.limit else {
                    throw StagingError(
                        .tooLarge, "the outputs have more than the \(found.limit) bytes that are allowed (output.limit)"
                    )
                }
                found.bytes = sum
            case .folder:
                found.folders += 1
                guard found.folders <= folderLimit else { throw tooMany }
                try walk(try folder.folder(name), inner, depth: depth + 1, &found)
            case .link, .other:
                throw StagingError(
                    .refused, "the output \(quoted(Array(inner.utf8))) is \(state.word): only files are taken")
            }
        }
    }

    private static var tooMany: StagingError {
        StagingError(.refused, "the run left more than \(fileLimit) files or \(folderLimit) folders")
    }

    /// A name for a message, whatever is in it.
    static func quoted(_ name: [UInt8]) -> String {
        var out = "\""
        for byte in name.prefix(120) {
            if byte < 0x20 || byte == 0x7F || byte == 0x22 || byte == 0x5C || byte >= 0x80 {
                out += "\\x" + String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
            } else {
                out.unicodeScalars.append(Unicode.Scalar(byte))
            }
        }
        return out + (name.count > 120 ? "…\"" : "\"")
    }
}
