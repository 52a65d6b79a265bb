package import CloudEvents

/// One thing that happened in a watched folder, with all that is known of it.
package struct FolderHappening: Sendable {
    /// What happened, as the last part of the event's type.
    package enum Kind: Sendable, Hashable {
        case written, read, deleted, moved, attributes, appeared, disappeared
        /// On request: what the kernel calls by this name.
        case native(String)
    }

    package var kind: Kind
    /// Absolute.
    package var path: String
    /// Where it was before, of a move.
    package var origin: String?
    package var isDirectory: Bool
    /// What the file system says (after the fact); absent when it is gone.
    package var facts: FileFacts?
    /// What was remembered of it, of something gone.
    package var last: FolderFile?
    /// When the kernel's word was read, nanoseconds since 1970.
    package var observed: Int64
    /// The kernel's word; absent when it was found by looking (a listing).
    package var record: InotifyRecord?

    package init(
        _ kind: Kind, _ path: String, origin: String? = nil, isDirectory: Bool = false, facts: FileFacts? = nil,
        last: FolderFile? = nil, observed: Int64, record: InotifyRecord? = nil
    ) {
        self.kind = kind
        self.path = path
        self.origin = origin
        self.isDirectory = isDirectory
        self.facts = facts
        self.last = last
        self.observed = observed
        self.record = record
    }

    package var type: String {
        let thing = isDirectory ? "directory" : "file"
        return switch kind {
        case .written: isDirectory ? "dev.weir.directory.created" : "dev.weir.file.written"
        case .read: "dev.weir.file.read"
        case .deleted: "dev.weir.\(thing).deleted"
        case .moved: "dev.weir.\(thing).moved"
        case .attributes: "dev.weir.file.attributes"
        case .appeared: "dev.weir.\(thing).appeared"
        case .disappeared: "dev.weir.\(thing).disappeared"
        case .native(let name): "org.kernel.inotify.\(name)"
        }
    }

    /// When it happened: by the inode where it still tells (a written file: its last change), else when it was heard of.
    private var time: Int64 {
        switch kind {
        case .written, .moved, .attributes, .appeared: facts?.changed ?? observed
        case .read, .deleted, .disappeared, .native: observed
        }
    }

    /// The same happening, found twice (after a crash, by a rescan), has the same id.
    private var id: String {
        var hash = StableHash()
        hash.add(type)
        hash.add(path)
        switch kind {
        case .written where isDirectory, .appeared where isDirectory:
            hash.add(Int64(bitPattern: facts?.inode ?? 0))
            // A directory's times change with its entries; its number may be used again after it is gone.
            hash.add(record == nil ? 0 : observed)
        case .written, .appeared:
            hash.add(Int64(bitPattern: facts?.inode ?? 0))
            hash.add(facts?.modified ?? observed)
            hash.add(facts?.size ?? 0)
        case .moved:
            hash.add(origin ?? "")
            hash.add(Int64(bitPattern: facts?.inode ?? 0))
            hash.add(facts?.changed ?? observed)
        case .attributes:
            hash.add(Int64(bitPattern: facts?.inode ?? 0))
            hash.add(facts?.changed ?? observed)
        case .deleted, .disappeared:
            if let last, !isDirectory {
                hash.add(Int64(bitPattern: last.inode))
                hash.add(last.modified)
                hash.add(last.size)
            } else {
                hash.add(observed)
            }
        case .read, .native:
            hash.add(observed)
            hash.add(Int64(record?.cookie ?? 0))
        }
        return hash.hex
    }

    /// The event of it, encoded.
    package func event(host: String) -> EventRecord {
        let slash = path.utf8.lastIndex(of: 0x2F) ?? path.startIndex
        let directory = slash == path.startIndex ? "/" : String(path[..<slash])
        var event = CloudEvent(
            id: id, source: "file://\(host)", type: type, subject: path,
            time: EventTime(nanoseconds: time), datacontenttype: "application/json", data: .json(data.encoded()))
        event["storagesystem"] = .string("posix")
        event["outcome"] = .string("ok")
        if let size = facts?.size ?? last?.size, !isDirectory {
            // As text, because an Integer of CloudEvents has 32 bits; the mebibytes can be compared as a number.
            event["filesize"] = .string(String(size))
            let mebibytes = (size >> 20) + (size & 0xF_FFFF == 0 ? 0 : 1)
            event["filesizemib"] = .integer(Int32(clamping: mebibytes))
        }
        if let inode = facts?.inode ?? last?.inode { event["fileid"] = .string(String(inode)) }
        if let modified = facts?.modified ?? last?.modified, !isDirectory {
            event["fileversion"] = .string("\(modified)-\(facts?.size ?? last?.size ?? 0)")
        }
        if let facts { event["owner"] = .string(String(facts.owner)) }
        event["partitionkey"] = .string(directory)
        return EventRecord(event)
    }

    private var data: JSONValue {
        var data = JSONObject()
        data["path"] = .string(path)
        if let origin { data["from"] = .string(origin) }
        data["isDirectory"] = .bool(isDirectory)
        if let facts {
            data["size"] = .integer(facts.size)
            data["inode"] = .integer(Int64(bitPattern: facts.inode))
            data["device"] = .integer(Int64(bitPattern: facts.device))
            data["mode"] = .string("0" + String(facts.mode & 0o7777, radix: 8))
            data["uid"] = .integer(Int64(facts.owner))
            data["gid"] = .integer(Int64(facts.group))
            data["links"] = .integer(Int64(bitPattern: facts.links))
            data["modified"] = .string(EventTime(nanoseconds: facts.modified).text)
            data["changed"] = .string(EventTime(nanoseconds: facts.changed).text)
        } else if let last, !isDirectory {
            data["size"] = .integer(last.size)
            data["inode"] = .integer(Int64(bitPattern: last.inode))
            data["modified"] = .string(EventTime(nanoseconds: last.modified).text)
        }
        data["observed"] = .string(EventTime(nanoseconds: observed).text)
        if let record {
            var native = JSONObject()
            native["mask"] = .array(record.mask.names.map { .string($0) })
            native["name"] = .string(String(decoding: record.name, as: UTF8.self))
            if record.cookie != 0 { native["cookie"] = .integer(Int64(record.cookie)) }
            data["native"] = .object(native)
        } else {
            data["foundBy"] = "listing"
        }
        return .object(data)
    }
}
