import CloudEvents

/// Decodes the lines that `lfs changelog` prints, one a record:
///
///     1 01CREAT 04:24:09.779203918 2024.08.20 0x0 t=[FID] j=cp.0 ef=0xf u=0:0 nid=0@lo p=[FID] a name
///
/// Names stand last, with blanks and all, and are not escaped. A record names files by their FIDs and the name in the
/// parent, never by a path; the subject is therefore the path under which a mount reaches such a name:
/// `/.lustre/fid/[parent]/name`, and `/.lustre/fid/[target]` where the record has no name.
struct LustreChangelogDecoder: ProducerDecoder {
    /// The file system or MDT, which the lines do not tell.
    let system: String?

    func decode(_ bytes: Run, lineNumber: Int, into batch: inout DecodedBatch) {
        var line = bytes
        if line.count > 0, line[line.count - 1] == 0x0D { line = line.run(0, line.count - 1) }
        do throws(ProducerProblem) {
            batch.add(try event(line), line: lineNumber)
        } catch {
            batch.fail(error, bytes, line: lineNumber)
        }
    }

    private func event(_ line: Run) throws(ProducerProblem) -> ProducerEvent {
        var words = Words(line)
        guard let index = words.next()?.decimal, index >= 0 else {
            throw ProducerProblem(nil, "a record's number was expected first")
        }
        guard let kind = words.next(), kind.count > 2, let code = kind.run(0, 2).decimal else {
            throw ProducerProblem(nil, "a type such as 01CREAT was expected behind the number")
        }
        guard let clock = words.next(), let date = words.next(), let time = Self.time(date, clock) else {
            throw ProducerProblem(
                nil, "a time and a date (04:24:09.779203918 2024.08.20) were expected behind the type")
        }
        guard let flagText = words.next(), let flags = Self.hexadecimal(flagText) else {
            throw ProducerProblem(nil, "flags (0x0) were expected behind the date")
        }
        let name = kind.run(2, kind.count).text
        let fields = Fields(&words)
        var event = ProducerEvent(
            system: "lustre", source: "lustre://" + URIText.host(system),
            type: Self.type(code: Int(code), name: name, flags: flags), native: .line(Array(line)))
        event.time = time
        event.isOK = Self.isOK(code: Int(code), flags: flags)
        event.fileID = fields.target ?? fields.source
        event.key = fields.parent ?? event.fileID
        event.subject = Self.subject(fields)
        event.put("index", index)
        event.put("type", name)
        event.put("time", time)
        event.data["flags"] = .integer(flags)
        event.put("target", fields.target)
        event.put("parent", fields.parent)
        event.put("name", fields.name)
        event.put("source", fields.source)
        event.put("sourceParent", fields.sourceParent)
        event.put("sourceName", fields.sourceName)
        event.put("job", fields.job)
        event.put("uid", fields.uid)
        event.put("gid", fields.gid)
        event.put("nid", fields.nid)
        event.put("openMode", fields.mode)
        event.put("xattr", fields.xattr)
        if code == 6 || code == 7 { event.data["lastLink"] = .bool(flags & 1 != 0) }
        if code == 16 { event.put("hsm", Self.hsmName(flags)) }
        return event
    }

    /// Types of records by their number (`enum changelog_rec_type` of lustre_user.h).
    private static func type(code: Int, name: String, flags: Int64) -> String {
        switch code {
        case 2: return "dev.weir.directory.created"
        case 6: return "dev.weir.file.deleted"
        case 7: return "dev.weir.directory.deleted"
        // It is not told whether a file or a directory was renamed.
        case 8: return "dev.weir.file.moved"
        // Recorded for files that were open for writing, unless the mask has OPEN too.
        case 11: return "dev.weir.file.written"
        case 14, 15: return "dev.weir.file.attributes"
        case 16:
            let isOK = flags & 0x7F == 0
            switch flags >> 7 & 7 {
            case 0: return isOK ? "dev.weir.file.flushed" : "dev.weir.file.flush-failed"
            case 1: return isOK ? "dev.weir.file.staged" : "dev.weir.file.stage-failed"
            case 3 where isOK: return "dev.weir.replica.removed"
            default: break
            }
        default: break
        }
        let word = name.lowercased().filter { $0.isASCII && ($0.isLetter || $0.isNumber) }
        return "org.lustre.\(word.isEmpty ? String(code) : word)"
    }

    private static func isOK(code: Int, flags: Int64) -> Bool { code != 16 || flags & 0x7F == 0 }

    /// The HSM event of bits 7 to 9 (`enum hsm_event`).
    private static func hsmName(_ flags: Int64) -> String {
        let names = ["archive", "restore", "cancel", "release", "remove", "state"]
        let number = Int(flags >> 7 & 7)
        return number < names.count ? names[number] : String(number)
    }

    private static func subject(_ fields: Fields) -> String? {
        if let parent = fields.parent, let name = fields.name { return "/.lustre/fid/[\(parent)]/\(name)" }
        return fields.target.map { "/.lustre/fid/[\($0)]" }
    }

    /// `2024.08.20` and `04:24:09.779203918`, in UTC.
    private static func time(_ date: Run, _ clock: Run) -> EventTime? {
        guard date.count == 10, clock.count >= 8 else { return nil }
        var text = Array(date)
        guard text[4] == 0x2E, text[7] == 0x2E else { return nil }
        text[4] = 0x2D
        text[7] = 0x2D
        text.append(0x54)
        text.append(contentsOf: clock)
        text.append(0x5A)
        return EventTime(String(decoding: text, as: UTF8.self))
    }

    private static func hexadecimal(_ text: Run) -> Int64? {
        guard text.hasPrefix("0x"), text.count > 2, text.count <= 17 else { return nil }
        var value: Int64 = 0
        for byte in text.run(2, text.count) {
            guard let digit = InternetAddress.hexValue(byte) else { return nil }
            value = value << 4 | Int64(digit)
        }
        return value
    }

    /// Blank-separated words from the left.
    private struct Words {
        let line: Run
        var position = 0

        init(_ line: Run) { self.line = line }

        mutating func next() -> Run? {
            skipBlanks()
            guard position < line.count else { return nil }
            let end = line.first(0x20, from: position) ?? line.count
            defer { position = end }
            return line.run(position, end)
        }

        mutating func skipBlanks() {
            while position < line.count, line[position] == 0x20 { position += 1 }
        }

        var rest: Run { position < line.count ? line.run(position, line.count) : line.run(line.count, line.count) }
    }

    /// What stands behind the flags.
    private struct Fields {
        var target: String?
        var parent: String?
        var name: String?
        var source: String?
        var sourceParent: String?
        var sourceName: String?
        var job: String?
        var uid: Int64?
        var gid: Int64?
        var nid: String?
        var mode: String?
        var xattr: String?

        init(_ words: inout Words) {
            while true {
                let before = words.position
                guard let word = words.next(), let equals = word.first(0x3D) else {
                    words.position = before
                    break
                }
                let value = word.run(equals + 1, word.count)
                switch word.run(0, equals).text {
                case "t": target = Self.fid(value)
                case "j": job = value.text
                case "u":
                    if let colon = value.first(0x3A) {
                        uid = value.run(0, colon).decimal
                        gid = value.run(colon + 1, value.count).decimal
                    }
                case "nid": nid = value.text
                case "m": mode = value.text
                case "x": xattr = value.text
                case "ef": break
                // The name takes all that follows.
                case "p":
                    parent = Self.fid(value)
                    takeName(words.rest)
                    return
                // A rename in which the target has no parent of its own.
                case "s":
                    words.position = before
                    takeName(words.rest)
                    return
                default: break
                }
            }
        }

        /// ` name`, or of a rename ` name s=[FID] sp=[FID] old name`: the last ` s=[…] sp=[…] ` ends the new name.
        private mutating func takeName(_ text: Run) {
            var rest = text
            if rest.count > 0, rest[0] == 0x20 { rest = rest.run(1, rest.count) }
            var end = rest.count
            while let blank = rest.last(0x73, before: end) {
                end = blank
                guard blank == 0 || rest[blank - 1] == 0x20, let (fid, after) = Self.labelled("s=[", rest, blank),
                    after < rest.count, rest[after] == 0x20,
                    let (folder, behind) = Self.labelled("sp=[", rest, after + 1)
                else { continue }
                source = fid
                sourceParent = folder
                if behind + 1 < rest.count { sourceName = rest.run(behind + 1, rest.count).text }
                if blank > 1 { name = rest.run(0, blank - 1).text }
                return
            }
            if rest.count > 0 { name = rest.text }
        }

        /// A FID behind its label at a place, and where it ends.
        private static func labelled(_ label: StaticString, _ text: Run, _ at: Int) -> (String, Int)? {
            let mark = Run(start: label.utf8Start, count: label.utf8CodeUnitCount)
            guard text.has(mark, at: at), let end = text.first(0x5D, from: at) else { return nil }
            return (text.run(at + mark.count, end).text, end + 1)
        }

        /// `[0x200000007:0x1:0x0]` without its brackets; nothing for the FID of zeros.
        private static func fid(_ value: Run) -> String? {
            guard value.count > 2, value[0] == 0x5B, value[value.count - 1] == 0x5D else { return nil }
            let text = value.run(1, value.count - 1).text
            return text == "0:0x0:0x0" || text == "0x0:0x0:0x0" ? nil : text
        }
    }
}
