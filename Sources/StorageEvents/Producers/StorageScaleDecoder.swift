import CloudEvents

/// Decodes the events of IBM Storage Scale's clustered watch folders: one flat object a line, all values texts.
///
/// A rename comes as two events of one cookie. The first waits for the other while at most ``patience`` further records
/// come, or until ``settle(into:)``; then it is a lone half.
struct StorageScaleDecoder: ProducerDecoder {
    private static let patience = 16
    private var waiting: [Half] = []
    private var clock = 0

    private struct Half {
        var cookie: String
        var isFrom: Bool
        var event: ProducerEvent
        var path: String
        var isDirectory: Bool
        var born: Int
        var line: Int
    }

    init() {}

    var isWaiting: Bool { !waiting.isEmpty }

    mutating func decode(_ bytes: Run, lineNumber: Int, into batch: inout DecodedBatch) {
        clock += 1
        guard let value = batch.json(bytes, line: lineNumber) else { return }
        do throws(ProducerProblem) {
            try take(value, bytes, lineNumber, &batch)
        } catch {
            batch.fail(error, bytes, line: lineNumber)
        }
        while let first = waiting.first, clock - first.born > Self.patience {
            waiting.removeFirst()
            emitLone(first, into: &batch)
        }
    }

    mutating func settle(into batch: inout DecodedBatch) {
        let halves = waiting
        waiting = []
        for half in halves { emitLone(half, into: &batch) }
    }

    private mutating func take(
        _ value: JSONValue, _ bytes: Run, _ line: Int, _ batch: inout DecodedBatch
    ) throws(ProducerProblem) {
        guard value.object != nil else { throw ProducerProblem("$", "an object was expected, not \(value.kindName)") }
        guard let text = value["event"]?.string, !text.isEmpty else {
            throw ProducerProblem("$.event", "names of events such as \"IN_CLOSE_WRITE 0x8\" were expected")
        }
        guard let path = value["path"]?.string, !path.isEmpty else {
            throw ProducerProblem("$.path", "a path was expected")
        }
        let names = text.split(separator: " ").filter { !$0.hasPrefix("0x") }.map(String.init)
        let isDirectory = names.contains("IN_ISDIR")
        let kind = names.first { $0 != "IN_ISDIR" } ?? "IN_ISDIR"
        var event = event(value, bytes, path)
        event.type = Self.type(kind, isDirectory)
        guard kind == "IN_MOVED_FROM" || kind == "IN_MOVED_TO", let cookie = value["cookie"]?.string, cookie != "0",
            !cookie.isEmpty
        else {
            batch.add(event, line: line)
            return
        }
        let half = Half(
            cookie: cookie, isFrom: kind == "IN_MOVED_FROM", event: event, path: path, isDirectory: isDirectory,
            born: clock, line: line)
        guard let index = waiting.firstIndex(where: { $0.cookie == cookie && $0.isFrom != half.isFrom }) else {
            waiting.append(half)
            return
        }
        let other = waiting.remove(at: index)
        emitPair(from: half.isFrom ? half : other, to: half.isFrom ? other : half, into: &batch)
    }

    private func event(_ value: JSONValue, _ bytes: Run, _ path: String) -> ProducerEvent {
        func text(_ name: String) -> String? { value[name]?.string.flatMap { $0.isEmpty ? nil : $0 } }
        func number(_ name: String) -> Int64? { value[name]?.integer ?? text(name).flatMap { Int64($0) } }
        var event = ProducerEvent(
            system: "gpfs",
            source: "gpfs://\(URIText.host(text("clusterName")))/" + URIText.encoded(text("fsName") ?? ""), type: "",
            native: .json(Array(bytes)))
        event.subject = path
        event.time = text("eventTime").flatMap(ProducerTime.utc)
        event.size = number("fileSize")
        event.fileID = text("inode")
        event.owner = text("ownerUserId")
        event.put("path", path)
        event.put("fs", text("fsName"))
        event.put("size", event.size)
        event.put("inode", number("inode"))
        event.put("fileset", number("filesetID"))
        event.put("pool", text("poolName"))
        event.put("uid", number("ownerUserId"))
        event.put("gid", number("ownerGroupId"))
        event.put("clientUid", number("clientUserId"))
        event.put("clientGid", number("clientGroupId"))
        event.put("node", text("nodeName"))
        event.put("nfsClient", text("nfsClientIp"))
        event.put("time", event.time)
        event.put("modified", text("mtime").flatMap(ProducerTime.utc))
        return event
    }

    private static func type(_ kind: String, _ isDirectory: Bool) -> String {
        let thing = isDirectory ? "directory" : "file"
        switch kind {
        case "IN_CLOSE_WRITE": return "dev.weir.file.written"
        case "IN_CLOSE_NOWRITE" where !isDirectory: return "dev.weir.file.read"
        case "IN_DELETE", "IN_DELETE_SELF": return "dev.weir.\(thing).deleted"
        case "IN_CREATE" where isDirectory: return "dev.weir.directory.created"
        case "IN_ATTRIB": return "dev.weir.file.attributes"
        case "IN_MOVED_FROM": return "dev.weir.\(thing).disappeared"
        case "IN_MOVED_TO": return "dev.weir.\(thing).appeared"
        case "IN_Q_OVERFLOW": return "dev.weir.source.gap"
        default:
            let word = kind.lowercased().filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
            return "com.ibm.scale.watch.\(word)"
        }
    }

    private func emitLone(_ half: Half, into batch: inout DecodedBatch) { batch.add(half.event, line: half.line) }

    private func emitPair(from: Half, to: Half, into batch: inout DecodedBatch) {
        var event = to.event
        event.type = to.isDirectory ? "dev.weir.directory.moved" : "dev.weir.file.moved"
        event.put("from", from.path)
        event.put("to", to.path)
        event.native = .json(
            Array("[".utf8) + from.event.native.bytes + Array(",".utf8) + to.event.native.bytes + Array("]".utf8))
        batch.add(event, line: min(from.line, to.line))
    }
}
