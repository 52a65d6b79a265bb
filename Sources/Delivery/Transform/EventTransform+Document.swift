import CloudEvents
import Manifest

extension EventTransform {
    /// Reads the `transform` object of a subscription.
    init(_ document: DocumentReader) throws(DocumentError) {
        var reader = document
        self.init()
        if let names = try reader.array("keep") {
            keep = try Self.names(names, reader.path(of: "keep"), mayBeRequired: true)
        }
        if let names = try reader.array("remove") {
            remove = try Self.names(names, reader.path(of: "remove"), mayBeRequired: false)
        }
        if let object = try reader.freeObject("rename") {
            let place = reader.path(of: "rename")
            for member in object.members {
                guard let to = member.value.string else {
                    throw DocumentError(
                        path: "\(place).\(member.name)",
                        message: "the new name was expected, not \(member.value.kindName)")
                }
                try Self.check(member.name, "\(place).\(member.name)", mayBeRequired: false)
                try Self.check(to, "\(place).\(member.name)", mayBeRequired: false)
                rename.append(Renaming(from: member.name, to: to))
            }
            let targets = rename.map(\.to)
            if let twice = targets.first(where: { name in targets.count { $0 == name } > 1 }) {
                throw DocumentError(path: place, message: "two attributes would be named \"\(twice)\"")
            }
        }
        if let object = try reader.freeObject("set") {
            let place = reader.path(of: "set")
            for member in object.members {
                let path = "\(place).\(member.name)"
                try Self.check(member.name, path, mayBeRequired: true)
                guard member.name != "specversion" else {
                    throw DocumentError(path: path, message: "\"specversion\" is 1.0 and stays so")
                }
                guard let text = member.value.string else {
                    throw DocumentError(
                        path: path,
                        message: "a CESQL expression was expected, such as \"'a text'\" or \"INT(filesizemib)\"")
                }
                do {
                    set.append(Assignment(name: member.name, expression: try CESQLExpression(parsing: text)))
                } catch {
                    throw DocumentError(path: path, message: error.message)
                }
            }
        }
        if let value = reader.value("data") {
            if value == false || value == "none" {
                data = .drop
            } else {
                data = .pick(try Self.pick(value, reader.path(of: "data"), isTop: true))
            }
        }
        try reader.finish()
    }

    var document: JSONObject {
        var object = JSONObject()
        if let keep { object["keep"] = .array(keep.map { .string($0) }) }
        if !remove.isEmpty { object["remove"] = .array(remove.map { .string($0) }) }
        if !rename.isEmpty {
            object["rename"] = .object(
                JSONObject(members: rename.map { .init(name: $0.from, value: .string($0.to)) }))
        }
        if !set.isEmpty {
            object["set"] = .object(
                JSONObject(members: set.map { .init(name: $0.name, value: .string($0.expression.text)) }))
        }
        switch data {
        case .keep: break
        case .drop: object["data"] = "none"
        case .pick(let pick): object["data"] = Self.document(pick)
        }
        return object
    }

    private static func names(
        _ values: [JSONValue], _ path: String, mayBeRequired: Bool
    ) throws(DocumentError) -> [String] {
        var names: [String] = []
        for (index, value) in values.enumerated() {
            guard let name = value.string else {
                throw DocumentError(
                    path: "\(path)[\(index)]", message: "the name of an attribute was expected, not \(value.kindName)")
            }
            try check(name, "\(path)[\(index)]", mayBeRequired: mayBeRequired)
            names.append(name)
        }
        return names
    }

    /// CloudEvents 1.0.2 §2.1, naming of attributes; `data` is none of them.
    private static func check(_ name: String, _ path: String, mayBeRequired: Bool) throws(DocumentError) {
        let isName =
            !name.isEmpty && name.utf8.count <= AttributeRules.maximumNameLength
            && name.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) }
        guard isName, name != "data" else {
            throw DocumentError(
                path: path, message: "\"\(name)\" is no name of an attribute: letters a to z and digits are allowed")
        }
        guard mayBeRequired || !required.contains(name) else {
            throw DocumentError(
                path: path, message: "every event has \"\(name)\": it can be set, not removed or renamed")
        }
    }

    /// A JSON Pointer (`/size`), `{ pointer, default }`, `{ attribute, default }`, `{ value }`, or an object of these
    /// under the names that the new data is to have (`{ object: … }` inside another).
    private static func pick(_ value: JSONValue, _ path: String, isTop: Bool = false) throws(DocumentError) -> Pick {
        if let text = value.string { return .pointer(try pointer(text, path), default: nil) }
        guard let object = value.object else {
            throw DocumentError(
                path: path, message: "a JSON Pointer such as /size, or an object, was expected, not \(value.kindName)")
        }
        if isTop { return .object(try members(object, path)) }
        var reader = try DocumentReader(value, path: path)
        let pointerText = try reader.string("pointer")
        let attribute = try reader.string("attribute")
        let nested = try reader.freeObject("object")
        let isFixed = object.names.contains("value")
        let fixed = reader.value("value")
        let fallback = reader.value("default")
        let hasFallback = object.names.contains("default")
        try reader.finish()
        let ways = [pointerText != nil, attribute != nil, nested != nil, isFixed].count { $0 }
        guard ways == 1 else {
            throw DocumentError(path: path, message: "one of pointer, attribute, value and object was expected")
        }
        guard !hasFallback || pointerText != nil || attribute != nil else {
            throw DocumentError(path: "\(path).default", message: "this goes with pointer or attribute")
        }
        let rest = hasFallback ? Optional.some(fallback ?? .null) : Optional.none
        if let pointerText { return .pointer(try pointer(pointerText, "\(path).pointer"), default: rest) }
        if let attribute {
            try check(attribute, "\(path).attribute", mayBeRequired: true)
            return .attribute(attribute, default: rest)
        }
        if let nested { return .object(try members(nested, "\(path).object")) }
        return .value(fixed ?? .null)
    }

    private static func members(_ object: JSONObject, _ path: String) throws(DocumentError) -> [Pick.Member] {
        var members: [Pick.Member] = []
        for member in object.members {
            members.append(.init(name: member.name, pick: try pick(member.value, "\(path).\(member.name)")))
        }
        return members
    }

    private static func pointer(_ text: String, _ path: String) throws(DocumentError) -> JSONPointer {
        do throws(JSONPointerError) {
            return try JSONPointer(text)
        } catch {
            throw DocumentError(path: path, message: error.description)
        }
    }

    private static func document(_ pick: Pick, isTop: Bool = true) -> JSONValue {
        switch pick {
        case .pointer(let pointer, nil): return .string(pointer.text)
        case .pointer(let pointer, let fallback?): return ["pointer": .string(pointer.text), "default": fallback]
        case .attribute(let name, nil): return ["attribute": .string(name)]
        case .attribute(let name, let fallback?): return ["attribute": .string(name), "default": fallback]
        case .value(let value): return ["value": value]
        case .object(let members):
            let object = JSONValue.object(
                JSONObject(members: members.map { .init(name: $0.name, value: document($0.pick, isTop: false)) }))
            return isTop ? object : ["object": object]
        }
    }
}
