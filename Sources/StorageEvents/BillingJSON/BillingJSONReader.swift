import CloudEvents

/// Reads the members of one billing record into a view of pieces; nothing is copied but what has escapes.
struct BillingJSONReader {
    var scanner: JSONScanner
    var view: BillingView
    /// The first member of a wrong kind: its JSON path and what was expected.
    var problem: (String, String)?
    var hasEscapes = false
    var hasType = false
    var hasMarker = false
    private var mover = BillingView.Mover()
    private var hasMover = false
    private var hasStatus = false
    private var hasCode = false
    private var date: Run?
    private let arena: UnsafeMutableRawBufferPointer
    private var used = 0

    init(_ bytes: Run, arena: UnsafeMutableRawBufferPointer) {
        scanner = JSONScanner(bytes)
        view = BillingView(msgType: bytes.run(0, 0))
        self.arena = arena
    }

    /// Reads the object; returns its range.
    mutating func readRecord() throws(JSONError) -> Range<Int> {
        _ = scanner.peek()
        let start = scanner.position
        try members("$") { (reader, key, path) throws(JSONError) in try reader.member(key, path) }
        let end = scanner.position
        try scanner.expectEnd()
        settle()
        return start..<end
    }

    /// The first member that every record must have and this has not.
    func missing() -> (String, String)? {
        let reason = "the record has no such member"
        if !hasType { return ("$.msgType", reason) }
        if date == nil { return ("$.date", reason) }
        if view.cell == nil { return ("$.cellName", reason) }
        if view.domain == nil { return ("$.cellDomain", reason) }
        if view.cellType == nil { return ("$.cellType", reason) }
        if !hasStatus { return ("$.status", reason) }
        if !hasCode { return ("$.status.code", reason) }
        return nil
    }

    private mutating func settle() {
        guard let date else { return }
        guard let time = date.withMemoryRebound(to: UInt8.self, { EventTime.parse($0) }) else {
            if problem == nil { problem = ("$.date", "a date such as 2026-05-20T14:03:07.412+02:00 was expected") }
            return
        }
        view.time = date
        view.seconds = time >= 0 ? time / 1_000_000_000 : (time - 999_999_999) / 1_000_000_000
        if let storage = view.storageClass, let at = storage.last(0x40, before: storage.count) {
            view.hsm = storage.run(at + 1, storage.count)
            view.storageClass = storage.run(0, at)
        }
        if view.kind == .hit { view.readProtocolText() }
        if hasMover { view.mover = mover }
    }

    // MARK: Members

    private mutating func members(
        _ path: String,
        _ body: (inout BillingJSONReader, Run, String) throws(JSONError) -> Void
    ) throws(JSONError) {
        guard scanner.consume(0x7B) else {
            if try isNull() { return }
            note(path, "an object")
            _ = try scanner.value(depth: 1)
            return
        }
        if scanner.consume(0x7D) { return }
        // Two members of one name are read differently by different readers (RFC 8259 §4): refused, not guessed.
        var seen: [Run] = []
        repeat {
            guard scanner.peek() == 0x22 else { throw scanner.failure("a member name was expected") }
            let start = scanner.position
            let key = keep(try scanner.stringRange())
            guard seen.count < 256, !seen.contains(where: { $0.equals(key) }) else {
                throw scanner.failure("a member stands here twice, or there are more than 256", at: start)
            }
            seen.append(key)
            try scanner.expect(0x3A, "a colon")
            try body(&self, key, path)
        } while scanner.consume(0x2C)
        try scanner.expect(0x7D, "a comma or }")
    }

    private mutating func member(_ key: Run, _ path: String) throws(JSONError) {
        switch key.count {
        case 0: _ = try scanner.value(depth: 1)
        default: try memberByName(key)
        }
    }

    private mutating func memberByName(_ key: Run) throws(JSONError) {
        if key.equals("msgType") {
            if let type = try string("$.msgType") {
                view.msgType = type
                view.kind = BillingKind(type)
                hasType = type.count > 0
            }
        } else if key.equals("date") {
            date = try string("$.date")
        } else if key.equals("cellName") {
            view.cell = try string("$.cellName")
        } else if key.equals("cellDomain") {
            view.domain = try string("$.cellDomain")
        } else if key.equals("cellType") {
            view.cellType = try string("$.cellType")
        } else if key.equals("session") {
            view.session = try string("$.session")
        } else if key.equals("transaction") {
            view.transaction = try string("$.transaction")
        } else if key.equals("pnfsid") {
            view.pnfsid = try string("$.pnfsid")
        } else if key.equals("billingPath") {
            view.path = try string("$.billingPath")
        } else if key.equals("transferPath") {
            view.transferPath = try string("$.transferPath")
        } else if key.equals("storageInfo") {
            view.storageClass = try string("$.storageInfo")
        } else if key.equals("initiator") {
            view.initiator = try string("$.initiator")
        } else if key.equals("localEndpoint") {
            view.localEndpoint = try string("$.localEndpoint")
        } else if key.equals("owner") {
            view.owner = try string("$.owner")
        } else if key.equals("client") {
            view.client = try string("$.client")
        } else if key.equals("clientChain") {
            view.clientChain = try string("$.clientChain")
        } else if key.equals("protocol") {
            view.protocolText = try string("$.protocol")
        } else if key.equals("isWrite") {
            view.created = try direction("$.isWrite")
        } else {
            try otherMember(key)
        }
    }

    private mutating func otherMember(_ key: Run) throws(JSONError) {
        if key.equals("fileSize") || key.equals("filesize") {
            view.fileSize = try integer("$.fileSize")
        } else if key.equals("transferSize") {
            view.bytes = try integer("$.transferSize")
        } else if key.equals("transferTime") {
            view.durationMs = try integer("$.transferTime")
        } else if key.equals("sessionDuration") {
            view.durationMs = try integer("$.sessionDuration")
        } else if key.equals("queuingTime") {
            view.queuedMs = try integer("$.queuingTime")
        } else if key.equals("mappedUID") {
            view.uid = try integer("$.mappedUID")
        } else if key.equals("mappedGID") {
            view.gid = try integer("$.mappedGID")
        } else if key.equals("meanReadBandwidth") {
            view.readRate = try double("$.meanReadBandwidth")
        } else if key.equals("meanWriteBandwidth") {
            view.writeRate = try double("$.meanWriteBandwidth")
        } else if key.equals("isP2p") {
            view.isPoolToPool = try bool("$.isP2p")
        } else if key.equals("cached") {
            view.cached = try bool("$.cached")
        } else if key.equals("subject") {
            view.subject = try strings("$.subject")
        } else if key.equals("locations") {
            view.tapeLocations = try strings("$.locations")
        } else if key.equals("status") {
            hasStatus = true
            try members("$.status") { (reader, key, _) throws(JSONError) in
                if key.equals("code") {
                    reader.view.code = try reader.integer("$.status.code")
                    reader.hasCode = reader.view.code != nil
                } else if key.equals("msg") {
                    reader.view.message = try reader.string("$.status.msg")
                } else {
                    _ = try reader.scanner.value(depth: 2)
                }
            }
        } else if key.equals("hsm") {
            try members("$.hsm") { (reader, key, _) throws(JSONError) in
                if key.equals("type") {
                    reader.view.tapeType = try reader.string("$.hsm.type")
                } else if key.equals("instance") {
                    reader.view.tapeInstance = try reader.string("$.hsm.instance")
                } else if key.equals("provider") {
                    reader.view.tapeProvider = try reader.string("$.hsm.provider")
                } else {
                    _ = try reader.scanner.value(depth: 2)
                }
            }
        } else if key.equals("protocolInfo") {
            try members("$.protocolInfo") { (reader, key, _) throws(JSONError) in try reader.protocolMember(key) }
        } else if key.equals("moverInfo") {
            hasMover = true
            try members("$.moverInfo") { (reader, key, _) throws(JSONError) in try reader.moverMember(key) }
        } else {
            hasMarker = hasMarker || key.equals("marker")
            _ = try scanner.value(depth: 1)
        }
    }

    private mutating func protocolMember(_ key: Run) throws(JSONError) {
        if key.equals("protocol") {
            view.protocolName = try string("$.protocolInfo.protocol")
        } else if key.equals("versionMajor") {
            view.protocolMajor = try integer("$.protocolInfo.versionMajor")
        } else if key.equals("versionMinor") {
            view.protocolMinor = try integer("$.protocolInfo.versionMinor")
        } else if key.equals("host") {
            view.protocolHost = try string("$.protocolInfo.host")
        } else if key.equals("port") {
            view.protocolPort = try integer("$.protocolInfo.port")
        } else if key.equals("transferTag") {
            view.transferTag = try string("$.protocolInfo.transferTag")
        } else {
            _ = try scanner.value(depth: 2)
        }
    }

    private mutating func moverMember(_ key: Run) throws(JSONError) {
        if key.equals("cellName") {
            mover.pool = try string("$.moverInfo.cellName")
        } else if key.equals("transferSize") {
            mover.bytes = try integer("$.moverInfo.transferSize")
        } else if key.equals("isWrite") {
            mover.isWrite = try direction("$.moverInfo.isWrite")
        } else if key.equals("status") {
            try members("$.moverInfo.status") { (reader, key, _) throws(JSONError) in
                if key.equals("code") {
                    reader.mover.code = try reader.integer("$.moverInfo.status.code")
                } else {
                    _ = try reader.scanner.value(depth: 3)
                }
            }
        } else if key.equals("protocolInfo") {
            try members("$.moverInfo.protocolInfo") { (reader, key, _) throws(JSONError) in
                if key.equals("protocol") {
                    reader.mover.protocolName = try reader.string("$.moverInfo.protocolInfo.protocol")
                } else {
                    _ = try reader.scanner.value(depth: 3)
                }
            }
        } else {
            _ = try scanner.value(depth: 2)
        }
    }

    // MARK: Values; null is absence

    private mutating func note(_ path: @autoclosure () -> String, _ expected: String) {
        if problem == nil { problem = (path(), "\(expected) was expected") }
    }

    private mutating func isNull() throws(JSONError) -> Bool {
        guard scanner.peek() == 0x6E else { return false }
        try scanner.literal("null")
        return true
    }

    private mutating func string(_ path: @autoclosure () -> String) throws(JSONError) -> Run? {
        if scanner.peek() == 0x22 { return keep(try scanner.stringRange()) }
        if try isNull() { return nil }
        note(path(), "a string")
        _ = try scanner.value(depth: 2)
        return nil
    }

    private mutating func integer(_ path: @autoclosure () -> String) throws(JSONError) -> Int64? {
        guard let first = scanner.peek() else { throw scanner.failure("a value was expected, but the text ends") }
        if try isNull() { return nil }
        guard first == 0x2D || first &- 48 < 10 else {
            note(path(), "an integer")
            _ = try scanner.value(depth: 2)
            return nil
        }
        let number = try scanner.numberRange()
        let run = scanner.bytes.run(number.range.lowerBound, number.range.upperBound)
        if let value = run.decimal { return value }
        if let value = Double(run.text).flatMap({ Int64(exactly: $0) }) { return value }
        note(path(), "an integer of 64 bits")
        return nil
    }

    private mutating func double(_ path: @autoclosure () -> String) throws(JSONError) -> Double? {
        guard let first = scanner.peek() else { throw scanner.failure("a value was expected, but the text ends") }
        if try isNull() { return nil }
        guard first == 0x2D || first &- 48 < 10 else {
            note(path(), "a number")
            _ = try scanner.value(depth: 2)
            return nil
        }
        let range = try scanner.numberRange().range
        return Double(scanner.bytes.run(range.lowerBound, range.upperBound).text).flatMap { $0.isFinite ? $0 : nil }
    }

    private mutating func bool(_ path: @autoclosure () -> String) throws(JSONError) -> Bool? {
        switch scanner.peek() {
        case 0x74:
            try scanner.literal("true")
            return true
        case 0x66:
            try scanner.literal("false")
            return false
        default:
            if try isNull() { return nil }
            note(path(), "true or false")
            _ = try scanner.value(depth: 2)
            return nil
        }
    }

    /// `isWrite` is the text `write` or `read`, not a boolean (MoverInfoMessageSerializer).
    private mutating func direction(_ path: @autoclosure () -> String) throws(JSONError) -> Bool? {
        let first = scanner.peek()
        if first == 0x74 || first == 0x66 { return try bool(path()) }
        guard let text = try string(path()) else { return nil }
        if text.equals("write") { return true }
        if text.equals("read") { return false }
        note(path(), "write or read")
        return nil
    }

    private mutating func strings(_ path: String) throws(JSONError) -> [Run]? {
        if try isNull() { return nil }
        guard scanner.consume(0x5B) else {
            note(path, "a list of strings")
            _ = try scanner.value(depth: 2)
            return nil
        }
        var list: [Run] = []
        if scanner.consume(0x5D) { return list }
        repeat {
            if let text = try string("\(path)[\(list.count)]") { list.append(text) }
        } while scanner.consume(0x2C)
        try scanner.expect(0x5D, "a comma or ]")
        return list
    }

    /// The bytes of a string; those with escapes go, resolved, into the arena.
    private mutating func keep(_ string: (range: Range<Int>, hasEscapes: Bool)) -> Run {
        guard string.hasEscapes else { return scanner.bytes.run(string.range.lowerBound, string.range.upperBound) }
        hasEscapes = true
        let text = scanner.unescaped(string.range)
        guard used + text.count <= arena.count, let base = arena.baseAddress else { return scanner.bytes.run(0, 0) }
        text.withUnsafeBytes {
            (base + used).copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(base), byteCount: $0.count)
        }
        defer { used += text.count }
        return Run(start: base + used, count: text.count)
    }
}
