import CloudEvents

/// One answer to ListObjectsV2.
package struct ListingPage: Sendable, Hashable {
    package struct Object: Sendable, Hashable {
        package var key = ""
        package var modified = ""
        package var etag = ""
        package var size: Int64?
    }

    package var objects: [Object] = []
    /// Where to go on; `nil`: this was the last.
    package var next: String?

    /// - Throws: ``ListingError`` when it is not such an answer.
    package init(_ bytes: [UInt8]) throws(ListingError) {
        var reader = XMLReader(bytes)
        var object: Object?
        var isTruncated = false
        var isEncoded = false
        var isListing = false
        while let element = try reader.next() {
            switch (element.path, element.isEnd) {
            case (["ListBucketResult"], false): isListing = true
            case (["ListBucketResult"], true):
                guard isTruncated else { next = nil; break }
                guard next != nil else { throw ListingError("the listing goes on and does not say where") }
            case (["ListBucketResult", "EncodingType"], true): isEncoded = element.text == "url"
            case (["ListBucketResult", "IsTruncated"], true): isTruncated = element.text == "true"
            case (["ListBucketResult", "NextContinuationToken"], true): next = element.text
            case (["ListBucketResult", "Contents"], false): object = Object()
            case (["ListBucketResult", "Contents"], true):
                guard let one = object, !one.key.isEmpty, EventTime(one.modified) != nil else {
                    throw ListingError("an object has no key, or no time of RFC 3339")
                }
                objects.append(one)
                object = nil
            case (["ListBucketResult", "Contents", "Key"], true): object?.key = element.text
            case (["ListBucketResult", "Contents", "LastModified"], true): object?.modified = element.text
            case (["ListBucketResult", "Contents", "Size"], true): object?.size = Int64(element.text)
            case (["ListBucketResult", "Contents", "ETag"], true):
                object?.etag = element.text.filter { $0 != "\"" }
            default: break
            }
        }
        guard isListing else { throw ListingError("it is no listing of a bucket") }
        // The element that says so may stand behind the objects.
        if isEncoded {
            for index in objects.indices {
                objects[index].key = String(decoding: FormText.decoded(objects[index].key.utf8), as: UTF8.self)
            }
        }
    }
}

package struct ListingError: Error, Sendable, Hashable, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
}

/// The elements of an XML text, with nothing of what answers of S3 do not have: no document types, no entities of its own.
struct XMLReader {
    struct Element {
        /// The names from the root on, without prefixes.
        var path: [String]
        var isEnd: Bool
        /// What stands between the last tag and the end.
        var text: String
    }

    private static let deepest = 32
    private var rest: ArraySlice<UInt8>
    private var path: [String] = []
    private var text: [UInt8] = []
    /// An element without content ends where it begins.
    private var isEnding = false

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    /// The next beginning or end of an element; `nil` at the end of the text.
    mutating func next() throws(ListingError) -> Element? {
        if isEnding {
            isEnding = false
            return end()
        }
        while true {
            guard let start = rest.firstIndex(of: 0x3C) else {
                guard path.isEmpty else { throw ListingError("the text ends within <\(path.last ?? "")>") }
                return nil
            }
            if !path.isEmpty { try add(rest[rest.startIndex..<start]) }
            rest = rest[(start + 1)...]
            if take("!--") {
                try skip(past: "-->")
            } else if take("![CDATA[") {
                text += try skip(past: "]]>")
            } else if take("?") {
                try skip(past: "?>")
            } else if rest.first == 0x21 {
                throw ListingError("a document type is not understood")
            } else if take("/") {
                let name = Self.name(try skip(past: ">"))
                guard let last = path.last, last == name else { throw ListingError("</\(name)> ends nothing") }
                return end()
            } else {
                var tag = try tagText()[...]
                if tag.last == 0x2F {
                    tag = tag.dropLast()
                    isEnding = true
                }
                let name = Self.name(tag.prefix { $0 > 0x20 })
                guard !name.isEmpty, path.count < Self.deepest else { throw ListingError("an element has no name") }
                path.append(name)
                text = []
                return Element(path: path, isEnd: false, text: "")
            }
        }
    }

    private mutating func end() -> Element {
        defer {
            path.removeLast()
            text = []
        }
        return Element(path: path, isEnd: true, text: String(decoding: text, as: UTF8.self))
    }

    private mutating func take(_ word: String) -> Bool {
        guard rest.starts(with: word.utf8) else { return false }
        rest = rest.dropFirst(word.utf8.count)
        return true
    }

    @discardableResult
    private mutating func skip(past word: String) throws(ListingError) -> ArraySlice<UInt8> {
        let end = Array(word.utf8)
        var index = rest.startIndex
        while index + end.count <= rest.endIndex {
            if rest[index..<(index + end.count)].elementsEqual(end) {
                defer { rest = rest[(index + end.count)...] }
                return rest[rest.startIndex..<index]
            }
            index += 1
        }
        throw ListingError("\(word) is missing")
    }

    /// The text of a tag; a `>` in an attribute's value ends nothing.
    private mutating func tagText() throws(ListingError) -> [UInt8] {
        var quote: UInt8?
        for index in rest.indices {
            let byte = rest[index]
            if let open = quote {
                if byte == open { quote = nil }
            } else if byte == 0x22 || byte == 0x27 {
                quote = byte
            } else if byte == 0x3E {
                defer { rest = rest[(index + 1)...] }
                return Array(rest[rest.startIndex..<index])
            }
        }
        throw ListingError("> is missing")
    }

    private static func name(_ bytes: some Collection<UInt8>) -> String {
        let text = String(decoding: bytes, as: UTF8.self).trimmingBlanks
        return text.split(separator: ":").last.map(String.init) ?? ""
    }

    private mutating func add(_ part: ArraySlice<UInt8>) throws(ListingError) {
        var rest = part
        while let byte = rest.popFirst() {
            guard byte == 0x26 else {
                text.append(byte)
                continue
            }
            guard let end = rest.firstIndex(of: 0x3B), end - rest.startIndex < 12 else {
                throw ListingError("an & begins no reference")
            }
            let name = String(decoding: rest[rest.startIndex..<end], as: UTF8.self)
            rest = rest[(end + 1)...]
            switch name {
            case "amp": text.append(0x26)
            case "lt": text.append(0x3C)
            case "gt": text.append(0x3E)
            case "quot": text.append(0x22)
            case "apos": text.append(0x27)
            default:
                let number =
                    name.hasPrefix("#x")
                    ? UInt32(name.dropFirst(2), radix: 16)
                    : name.hasPrefix("#") ? UInt32(name.dropFirst()) : nil
                guard let scalar = number.flatMap({ Unicode.Scalar($0) }) else {
                    throw ListingError("the reference &\(name); is not known")
                }
                text += String(Character(scalar)).utf8
            }
        }
    }
}

extension String {
    fileprivate var trimmingBlanks: String {
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\n" || $0 == "\r" || $0 == "\t" || $0 == "\r\n" }
        var part = self[...]
        while let first = part.first, isBlank(first) { part.removeFirst() }
        while let last = part.last, isBlank(last) { part.removeLast() }
        return String(part)
    }
}
