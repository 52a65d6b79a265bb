import CloudEvents
import Manifest

extension GatherSpec {
    /// Reads the `gather` object of a subscription.
    init(_ document: DocumentReader) throws(DocumentError) {
        var reader = document
        by = .directory
        if let value = reader.value("by") {
            let path = reader.path(of: "by")
            if value.string == "directory" {
                by = .directory
            } else if value.object != nil {
                var inner = try DocumentReader(value, path: path)
                let attribute = try inner.string("attribute")
                let pattern = try inner.string("path")
                try inner.finish()
                switch (attribute, pattern) {
                case (let attribute?, nil):
                    guard !attribute.isEmpty,
                        attribute.utf8.allSatisfy({ (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) })
                    else {
                        throw DocumentError(
                            path: inner.path(of: "attribute"), message: "\"\(attribute)\" is no name of an attribute")
                    }
                    by = .attribute(attribute)
                case (nil, let pattern?): by = .path(try GroupPattern(pattern, path: inner.path(of: "path")))
                default: throw DocumentError(path: path, message: "an attribute or a path was expected")
                }
            } else {
                throw DocumentError(
                    path: path, message: "directory, { attribute: NAME } or { path: /raw/{run}/** } was expected")
            }
        }
        if let value = reader.value("count") {
            if let number = value.integer, (1...1_000_000).contains(number) {
                count = .number(Int(number))
            } else if let text = value["pointer"]?.string, value.object?.count == 1 {
                do throws(JSONPointerError) {
                    count = .pointer(try JSONPointer(text))
                } catch {
                    throw DocumentError(path: reader.path(of: "count") + ".pointer", message: error.description)
                }
            } else {
                throw DocumentError(
                    path: reader.path(of: "count"), message: "a number from 1 on or { pointer: /files } was expected")
            }
        }
        if var inner = try reader.object("marker") {
            guard let list = inner.value("filters") else {
                throw DocumentError(path: inner.path(of: "filters"), message: "this is required")
            }
            do throws(FilterError) {
                marker = try Filter.list(parsing: list, path: inner.path(of: "filters"))
            } catch {
                throw DocumentError(path: error.path, message: error.reason)
            }
            settle = try inner.duration("settle") ?? 0
            try inner.finish()
        }
        quiet = try reader.duration("quiet")
        deadline = try reader.duration("deadline")
        late = try reader.word("late", of: Late.allCases.map(\.rawValue)).flatMap { Late(rawValue: $0) } ?? .ignore
        remember = try reader.duration("remember") ?? remember
        limit = try reader.integer("limit", in: 1...100_000) ?? limit
        try reader.finish()
        guard count != nil || !marker.isEmpty || quiet != nil || deadline != nil else {
            throw DocumentError(
                path: reader.path, message: "a group needs an end: a count, a marker, a quiet time or a deadline")
        }
        if case .number(let number)? = count, number > limit {
            throw DocumentError(path: reader.path(of: "count"), message: "\(number) is more than the limit of \(limit)")
        }
    }

    var document: JSONObject {
        var object = JSONObject()
        switch by {
        case .directory: object["by"] = "directory"
        case .attribute(let name): object["by"] = ["attribute": .string(name)]
        case .path(let pattern): object["by"] = ["path": .string(pattern.text)]
        }
        func time(_ milliseconds: Int64) -> JSONValue { .string(Quantity.text(milliseconds: milliseconds)) }
        switch count {
        case .number(let number)?: object["count"] = .integer(Int64(number))
        case .pointer(let pointer)?: object["count"] = ["pointer": .string(pointer.text)]
        case nil: break
        }
        if !marker.isEmpty {
            var inner: JSONObject = ["filters": .array(marker.map(\.json))]
            if settle > 0 { inner["settle"] = time(settle) }
            object["marker"] = .object(inner)
        }
        if let quiet { object["quiet"] = time(quiet) }
        if let deadline { object["deadline"] = time(deadline) }
        if late != .ignore { object["late"] = .string(late.rawValue) }
        if remember != 7 * 86_400_000 { object["remember"] = time(remember) }
        if limit != 10_000 { object["limit"] = .integer(Int64(limit)) }
        return object
    }
}
