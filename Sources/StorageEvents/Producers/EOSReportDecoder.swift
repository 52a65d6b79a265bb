import CloudEvents

/// Decodes the report log of EOS: `key=value&key=value…`, one line a closed file or a removed replica.
///
/// Values are not escaped but for `&` in paths, which is written `#AND#`; in records of deletions the path is
/// percent-encoded.
struct EOSReportDecoder: ProducerDecoder {
    func decode(_ bytes: Run, lineNumber: Int, into batch: inout DecodedBatch) {
        var line = bytes
        while line.count > 0, line[line.count - 1] == 0x0D || line[line.count - 1] == 0x20 {
            line = line.run(0, line.count - 1)
        }
        let fields = Fields(line)
        guard fields["log"] != nil || fields["fid"] != nil else {
            batch.fail(
                ProducerProblem(nil, "key=value&… with \"log\" or \"fid\" was expected"), bytes, line: lineNumber)
            return
        }
        batch.add(fields.isDeletion ? deletion(fields, line) : transfer(fields, line), line: lineNumber)
    }

    private func transfer(_ fields: Fields, _ line: Run) -> ProducerEvent {
        let written = fields.number("wb") ?? 0
        let before = fields.number("osize")
        let after = fields.number("csize")
        let isWritten = written > 0 || (before != nil && after != nil && before != after)
        // The file was taken away when it was closed: what was written did not become a file.
        let isFailed = fields.number("delete_on_close") == 1
        let type =
            isFailed ? "file.write-failed" : isWritten ? "file.written" : "file.read"
        var event = common(fields, line, "dev.weir." + type)
        event.isOK = !isFailed
        event.subject = fields.path()
        event.size = after
        event.access = fields["sec.prot"]
        event.owner = fields["sec.name"]
        event.time = fields.time("cts", "ctms") ?? fields.time("ots", "otms")
        event.put("path", event.subject)
        event.put("opened", fields.time("ots", "otms"))
        event.put("closed", fields.time("cts", "ctms"))
        event.put("bytesWritten", written)
        event.put("bytesRead", fields.number("rb"))
        event.put("sizeBefore", before)
        event.put("size", after)
        event.put("client", fields["td"])
        event.put("fstPath", fields["fstpath"])
        event.put("vo", fields["sec.vorg"])
        return event
    }

    private func deletion(_ fields: Fields, _ line: Run) -> ProducerEvent {
        var event = common(fields, line, "dev.weir.replica.removed")
        event.subject = fields.path(isEncoded: true)
        event.size = fields.number("dsize")
        event.time = fields.fineTime("dc_ts", "dc_tns")
        event.key = event.subject == nil ? fields["fid"].map { "fid:" + $0 } : nil
        event.put("path", event.subject)
        event.put("size", event.size)
        return event
    }

    private func common(_ fields: Fields, _ line: Run, _ type: String) -> ProducerEvent {
        var event = ProducerEvent(
            system: "eos", source: "eos://" + URIText.host(fields["host"]), type: type, native: .line(Array(line)))
        event.fileID = fields["fid"]
        event.put("log", fields["log"])
        event.put("uid", fields.number("ruid"))
        event.put("gid", fields.number("rgid"))
        event.put("fid", fields.number("fid"))
        event.put("fsid", fields.number("fsid"))
        event.put("application", fields["sec.app"])
        return event
    }

    /// The values by key; the first of equal keys counts.
    private struct Fields {
        private var values: [String: Run] = [:]

        init(_ line: Run) {
            var start = 0
            while start < line.count {
                let end = line.first(0x26, from: start) ?? line.count
                let pair = line.run(start, end)
                if let equals = pair.first(0x3D) {
                    let key = pair.run(0, equals).text
                    if values[key] == nil { values[key] = pair.run(equals + 1, pair.count) }
                }
                start = end + 1
            }
        }

        subscript(key: String) -> String? { values[key]?.text }

        func number(_ key: String) -> Int64? { values[key]?.decimal }

        /// Deletions say so in `sec.app`, and have `dsize` and no open time.
        var isDeletion: Bool {
            self["sec.app"] == "deletion" || (values["dsize"] != nil && values["ots"] == nil)
        }

        func path(isEncoded: Bool = false) -> String? {
            guard let raw = values["path"], raw.count > 0 else { return nil }
            if isEncoded { return String(decoding: URIText.decoded(raw), as: UTF8.self) }
            guard raw.first(0x23) != nil else { return raw.text }
            var out: [UInt8] = []
            let mark = Array("#AND#".utf8)
            var index = 0
            while index < raw.count {
                if mark.withUnsafeBytes({ raw.has($0, at: index) }) {
                    out.append(0x26)
                    index += mark.count
                } else {
                    out.append(raw[index])
                    index += 1
                }
            }
            return String(decoding: out, as: UTF8.self)
        }

        /// Seconds and, beside them, milliseconds.
        func time(_ seconds: String, _ milliseconds: String) -> EventTime? {
            guard let whole = number(seconds), (0..<9_000_000_000).contains(whole) else { return nil }
            let fraction = number(milliseconds).flatMap { (0..<1_000).contains($0) ? $0 : nil } ?? 0
            return EventTime(nanoseconds: whole * 1_000_000_000 + fraction * 1_000_000)
        }

        /// Seconds and, beside them, nanoseconds.
        func fineTime(_ seconds: String, _ nanoseconds: String) -> EventTime? {
            guard let whole = number(seconds), (0..<9_000_000_000).contains(whole) else { return nil }
            let fraction = number(nanoseconds).flatMap { (0..<1_000_000_000).contains($0) ? $0 : nil } ?? 0
            return EventTime(nanoseconds: whole * 1_000_000_000 + fraction)
        }
    }
}
