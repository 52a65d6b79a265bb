import CloudEvents

/// Writes a billing record as an event.
///
/// Attributes beside those of CloudEvents: `storagesystem` (`dcache`), `protocol` (lower case), `outcome` (`ok`,
/// `error`), `filesize` (bytes, as text: an Integer of CloudEvents has 32 bits), `filesizemib` (Integer: mebibytes,
/// rounded up, to compare sizes in CESQL, whose INT() of a `filesize` over 2^31 - 1 is an error), `fileid` (pnfsid),
/// `pool`, `storageclass`, `owner`, `timeambiguous` and `partitionkey` (the directory; without a path the parent's or
/// the file's id, so that the events of one file stay in order; else the cell).
struct BillingEventWriter {
    /// How the native record goes into the data.
    enum Native {
        /// A text record: a JSON string.
        case text(Run)
        /// A JSON object, copied.
        case json(Run)
    }

    /// Attributes of a text format that have no normalised name, as `(name, value)`.
    typealias Extra = (name: String, value: Run)

    let hasOddBytes: Bool
    /// Whether no field holds a byte that JSON escapes.
    var isClean = false

    @inline(__always)
    private func string(_ name: StaticString, _ value: Run, into out: inout ByteSink) {
        if hasOddBytes { out.attribute(name, printable: value) } else { out.attribute(name, value) }
    }

    /// Writes the whole record; `id` are the halves of its id.
    @inline(__always)
    func write(
        _ view: inout BillingView, id: (UInt64, UInt64), native: Native, extras: [Extra], original: Run?,
        into out: inout ByteSink
    ) {
        out.isClean = isClean
        out.beginRecord()
        let path = RecordPath(view.path)
        let attributes = writeAttributes(&view, id: id, path: path, into: &out)
        let start = out.beginData(attributes: attributes, kind: .json)
        writeData(&view, path: path, into: &out)
        if !extras.isEmpty { writeExtras(extras, into: &out) }
        switch native {
        case .text(let run):
            out.put(",\"native\":\"")
            if isClean { out.put(escapingQuotesIn: run) } else { out.put(escaped: run) }
            out.put("\"")
        case .json(let run):
            out.put(",\"native\":")
            out.put(run)
        }
        if let original {
            // The bytes were no UTF-8: the text above shows the damage as U+FFFD, here they are whole.
            out.put(",\"nativeBase64\":\"")
            out.put(text: Base64.encode(original))
            out.put("\"")
        }
        out.put("}")
        out.endData(start)
    }

    @inline(__always)
    private func writeAttributes(
        _ view: inout BillingView, id: (UInt64, UInt64), path: RecordPath, into out: inout ByteSink
    ) -> Int {
        var count = 4
        if let type = view.eventType {
            out.attribute("type", type)
        } else {
            let mark = out.beginAttribute("type")
            out.put("org.dcache.")
            out.put(uriPart: view.msgType)
            out.endAttribute("type", mark)
        }
        let source = out.beginAttribute("source", .uriReference)
        out.put("dcache://")
        if let cell = view.cell {
            if view.domain == nil, let at = cell.first(0x40) {
                out.put(uriPart: cell.run(0, at))
                out.put(0x40 as UInt8)
                out.put(uriPart: cell.run(at &+ 1, cell.count))
            } else {
                out.put(uriPart: cell)
            }
            if let domain = view.domain {
                out.put(0x40 as UInt8)
                out.put(uriPart: domain)
            }
        } else {
            out.put("unknown")
        }
        out.endAttribute("source", source)
        if case .path(let subject) = path {
            string("subject", subject, into: &out)
            count &+= 1
        }
        let idMark = out.beginAttribute("id")
        out.put(hex: id.0)
        out.put(hex: id.1)
        out.endAttribute("id", idMark)
        if let time = view.time {
            out.attribute("time", time, .timestamp)
            count &+= 1
        }
        out.attribute("storagesystem", "dcache")
        if let name = view.protocolName ?? view.mover?.protocolName {
            let mark = out.beginAttribute("protocol")
            out.put(lowercased: name)
            out.endAttribute("protocol", mark)
            count &+= 1
        }
        if let success = view.success {
            out.attribute("outcome", success ? "ok" : "error")
            count &+= 1
        }
        if let size = view.fileSize {
            let mark = out.beginAttribute("filesize")
            out.put(decimal: size)
            out.endAttribute("filesize", mark)
            count &+= 1
            let mebibytes = size <= 0 ? 0 : (size &- 1) >> 20 &+ 1
            if mebibytes <= Int64(Int32.max) {
                let mark = out.beginAttribute("filesizemib", .integer)
                out.put(decimal: mebibytes)
                out.endAttribute("filesizemib", mark)
                count &+= 1
            }
        }
        if let pnfsid = view.pnfsid, pnfsid.count > 0 {
            string("fileid", pnfsid, into: &out)
            count &+= 1
        }
        if view.isPool, let pool = view.cellName {
            string("pool", pool, into: &out)
            count &+= 1
        }
        if let storageClass = view.storageClass {
            string("storageclass", storageClass, into: &out)
            count &+= 1
        }
        if let owner = view.owner ?? view.subject.flatMap(Principals.owner), owner.count > 0 {
            string("owner", owner, into: &out)
            count &+= 1
        }
        if view.isAmbiguous {
            out.attribute("timeambiguous", "true", .boolean)
            count &+= 1
        }
        if let key = partitionKey(&view, path: path) {
            string("partitionkey", key, into: &out)
            count &+= 1
        }
        return count
    }

    @inline(__always)
    private func partitionKey(_ view: inout BillingView, path: RecordPath) -> Run? {
        switch path {
        case .path(let path):
            guard let slash = path.last(0x2F, before: path.count) else { return path }
            return path.run(0, max(slash, 1))
        case .child(let parent, _): return parent
        case .none:
            if let pnfsid = view.pnfsid, pnfsid.count > 0 { return pnfsid }
            return view.cell
        }
    }

    @inline(never)
    private func writeExtras(_ extras: [Extra], into out: inout ByteSink) {
        out.put(",\"attributes\":{")
        for (index, extra) in extras.enumerated() {
            if index > 0 { out.put(0x2C as UInt8) }
            var name = extra.name
            name.withUTF8 { out.put(quoted: Run($0)) }
            out.put(0x3A as UInt8)
            out.put(quoted: extra.value)
        }
        out.put("}")
    }
}
