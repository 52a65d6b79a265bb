/// The folder of one channel: its meta file and a folder a partition, named `p0`, `p1` …
struct ChannelFolder {
    let name: String
    let directory: String
    let environment: PartitionEnvironment
    /// Milliseconds since 1970.
    let now: Int64

    private static func folder(_ directory: String, _ number: Int) -> String { "\(directory)/p\(number)" }

    /// Reads the meta file, or makes it where there is none; blocks.
    ///
    /// A damaged one is made anew from what the partitions say: the count from their folders, the salt from a segment;
    /// the key is a new one, so identities are computed again.
    static func meta(
        _ directory: String, partitions: Int, _ fileSystem: any LogFileSystem, report: (String) -> Void
    ) throws(ChannelError) -> ChannelMeta {
        let path = "\(directory)/\(ChannelMeta.name)"
        let known = try onDisk("opening \(directory)") { () throws(SystemError) -> ChannelMeta? in
            try fileSystem.createDirectory(directory)
            return try fileSystem.contents(path).flatMap { ChannelMeta($0) }
        }
        if let known {
            guard known.version == ChannelMeta.currentVersion else {
                throw ChannelError(
                    .format,
                    "\(path) has format \(known.version), this program reads \(ChannelMeta.currentVersion): update it")
            }
            return known
        }
        return try onDisk("making \(path)") { () throws(SystemError) -> ChannelMeta in
            let numbers = try fileSystem.list(directory).compactMap { $0.hasPrefix("p") ? Int($0.dropFirst()) : nil }
            var salt: UInt32?
            for number in numbers where salt == nil {
                salt = try self.salt(folder(directory, number), fileSystem)
            }
            if !numbers.isEmpty { report("\(path) is missing or damaged; it is made again from the partitions") }
            let meta = ChannelMeta.fresh(partitions: (numbers.max() ?? partitions - 1) + 1, salt: salt)
            try fileSystem.replace(ChannelMeta.name, in: directory, with: meta.bytes)
            return meta
        }
    }

    private static func salt(_ directory: String, _ fileSystem: any LogFileSystem) throws(SystemError) -> UInt32? {
        for name in try fileSystem.list(directory) where name.hasSuffix(Segment.logSuffix) {
            let file = try fileSystem.open("\(directory)/\(name)", create: false, truncate: false)
            if let header = SegmentHeader(try file.bytes(at: 0, count: SegmentHeader.length)) { return header.salt }
        }
        return nil
    }

    /// Opens the partitions that are there and makes those that are asked for in addition; blocks.
    func grow(_ open: [Partition], from count: Int? = nil, to wanted: Int) throws(ChannelError) -> [Partition] {
        let there = count ?? open.count
        guard wanted >= there else {
            throw ChannelError(
                .conflict,
                "channel \(name) has \(there) partitions and cannot have fewer (\(wanted) are asked for): "
                    + "delete the channel and make it anew, or use another name")
        }
        var partitions = open
        for number in open.count..<wanted {
            partitions.append(
                try PartitionRecovery(
                    number: number, directory: Self.folder(directory, number), environment: environment, now: now
                ).open())
        }
        guard wanted > there || open.isEmpty else { return partitions }
        do throws(SystemError) {
            try environment.fileSystem.syncDirectory(directory)
            if wanted > there {
                let meta = ChannelMeta(partitions: wanted, salt: environment.salt, key: environment.key)
                try environment.fileSystem.replace(ChannelMeta.name, in: directory, with: meta.bytes)
            }
        } catch {
            throw error.channelError("adding partitions to \(directory)")
        }
        return partitions
    }
}
