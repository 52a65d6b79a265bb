internal import CloudEvents
internal import Manifest

/// A tree of files of JSON lines, as a person specifies it.
package struct FileSinkSpec: Sendable, Hashable {
    /// Absolute.
    package var directory: String
    /// The folder below, for each event.
    package var partition: Template
    /// A line; the whole event in its JSON format when absent.
    package var document: DocumentTemplate?

    private static let usual = "date=${time:yyyy-MM-dd}/hour=${time:HH}"

    init(_ reader: inout DocumentReader) throws(DocumentError) {
        directory = try reader.folder("directory")
        partition = try reader.template("partition", usual: Self.usual)
        if let reason = Self.reasonAgainst(partition) {
            throw DocumentError(path: reader.path(of: "partition"), message: reason)
        }
        document = try reader.documentTemplate("document")
    }

    func write(into object: inout JSONObject) {
        object["directory"] = .string(directory)
        object["partition"] = .string(partition.text)
        if let document { object["document"] = document.document }
    }

    /// What is written by hand must lead downwards; what an event says is escaped when it is put in.
    private static func reasonAgainst(_ template: Template) -> String? {
        var text = ""
        for part in template.parts {
            if case .text(let literal) = part { text += literal } else { text += "x" }
        }
        if text.isEmpty { return nil }
        for folder in text.split(separator: "/", omittingEmptySubsequences: false)
        where folder.isEmpty || folder.hasPrefix(".") || folder.hasPrefix("_") {
            return "\"\(template.text)\" must be a path downwards, whose folders do not begin with . or _"
        }
        return nil
    }

    /// The folder of one event, relative; nothing that an event says leads out of the tree.
    func folder(_ facts: inout EventFacts) throws(TemplateError) -> String {
        let path = try partition.text(&facts) { value in
            let escaped = PercentEncoding.encoded(value, keeping: " =:@+,")
            return escaped.isEmpty ? "%20" : escaped.first == "." ? "%2E" + escaped.dropFirst() : escaped
        }
        // No file system takes it, however often it is tried; cut, two values would lie in one folder.
        for folder in path.split(separator: "/") where folder.utf8.count > 255 {
            throw TemplateError("the folder \(folder.prefix(40))… would have a name of more than 255 bytes")
        }
        return path
    }
}
