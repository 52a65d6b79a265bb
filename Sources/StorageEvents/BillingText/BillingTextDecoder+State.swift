import CloudEvents

/// Why kept state cannot be used.
public struct DecoderStateError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong, as a sentence.
    public let message: String
    public var description: String { message }
}

extension BillingTextDecoder {
    /// All that the decoder knows besides its parameters, as bytes to keep: the formats in force, the record that is
    /// open, where in a repeated hour it is, and which records it has seen in the last seconds.
    public var state: [UInt8] {
        var object: JSONObject = ["version": 1]
        object["formats"] = .array(
            formats.filter { $0.text != Array($0.message.defaultFormat.utf8) }.map { format in
                ["message": .string(format.message.name), "format": .string(Base64.encode(format.text))]
            })
        object["absent"] = .array(
            BillingMessage.allCases.filter { message in !formats.contains { $0.message == message } }
                .map { .string($0.name) })
        if !open.isEmpty {
            object["open"] = .string(Base64.encode(open))
            object["openLine"] = .integer(Int64(openLine))
            object["openLines"] = .integer(Int64(openLines))
        }
        if let highest = clock.highest { object["highest"] = .integer(highest) }
        if clock.isSecondPass { object["secondPass"] = true }
        if repeats.newest != .min {
            object["newest"] = .integer(repeats.newest)
            object["repeats"] = .array(
                repeats.entries.filter { $0.second >= repeats.newest - RepeatCounter.span }.map { entry in
                    [
                        .integer(Int64(bitPattern: entry.hash)), .integer(entry.second), .integer(Int64(entry.count)),
                    ]
                })
        }
        return JSONValue.object(object).encoded()
    }

    /// Goes on where a decoder with ``state`` stood.
    ///
    /// - Parameters:
    ///   - state: What ``state`` gave; empty bytes are a fresh start.
    ///   - fileName: As in ``init(fileName:zone:options:)``.
    ///   - zone: As there.
    ///   - options: As there.
    public init(
        restoring state: [UInt8], fileName: String, zone: ZoneRules, options: Options = Options()
    ) throws(DecoderStateError) {
        self.init(fileName: fileName, zone: zone, options: options)
        if state.isEmpty { return }
        guard let value = try? JSONValue(parsing: state), value["version"]?.integer == 1 else {
            throw DecoderStateError(message: "the kept state of the decoder is damaged or of another version")
        }
        func bytes(_ text: JSONValue?) throws(DecoderStateError) -> [UInt8] {
            guard let text = text?.string, let bytes = Base64.decode(text.utf8) else {
                throw DecoderStateError(message: "the kept state of the decoder is damaged: it has broken Base64")
            }
            return bytes
        }
        for item in value["formats"]?.array ?? [] {
            guard let message = BillingMessage.allCases.first(where: { $0.name == item["message"]?.string }),
                let format = try? CompiledFormat(message: message, format: try bytes(item["format"]))
            else { throw DecoderStateError(message: "the kept state of the decoder has a format that cannot be used") }
            formats.removeAll { $0.message == message }
            formats.append(format)
        }
        let absent = Set((value["absent"]?.array ?? []).compactMap(\.string))
        formats.removeAll { absent.contains($0.message.name) }
        if value["open"] != nil {
            open = try bytes(value["open"])
            openLine = Int(value["openLine"]?.integer ?? 0)
            openLines = Int(value["openLines"]?.integer ?? 1)
        }
        clock.highest = value["highest"]?.integer
        clock.isSecondPass = value["secondPass"]?.bool ?? false
        repeats.newest = value["newest"]?.integer ?? .min
        for item in value["repeats"]?.array ?? [] {
            guard let parts = item.array, parts.count == 3, let hash = parts[0].integer, let second = parts[1].integer,
                let count = parts[2].integer.flatMap({ UInt32(exactly: $0) })
            else { continue }
            let entry = RepeatCounter.Entry(hash: UInt64(bitPattern: hash), second: second, count: count)
            repeats.restore(entry)
        }
    }
}
