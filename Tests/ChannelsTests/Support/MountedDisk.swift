import Channels
import Glibc
import Synchronization

/// The calls of ``SimulatedDisk``.
struct MountedDisk: LogFileSystem {
    let disk: SimulatedDisk
    let epoch: Int

    /// Runs a call: dead after a power cut, faulty when told to.
    fileprivate func call<Success>(
        _ call: SimulatedDisk.Call, _ path: String,
        _ body: (inout SimulatedDisk.State, Int?) throws(SystemError) -> sending Success
    ) throws(SystemError) -> Success {
        try disk.state.withLock { state throws(SystemError) in
            if state.epoch != epoch { throw SystemError(EIO, "\(call) on a dead disk", path) }
            if call != .read, call != .open {
                state.changes += 1
                if let cut = state.cutAt, state.changes >= cut { throw SystemError(EIO, "\(call), power cut", path) }
            }
            switch state.fault?(call, path) {
            case .error(let code): throw SystemError(code, "\(call)", path)
            case .short(let count): return try body(&state, count)
            case nil: return try body(&state, nil)
            }
        }
    }

    func open(_ path: String, create: Bool, truncate: Bool) throws(SystemError) -> any LogFile {
        let node = try call(.open, path) { (state, _) throws(SystemError) -> Int in
            if let node = state.names[path] {
                if truncate {
                    state.nodes[node]!.bytes = []
                    state.nodes[node]!.pending.append(.truncate(0))
                }
                return node
            }
            guard create else { throw SystemError(ENOENT, "open", path) }
            state.lastNode += 1
            state.names[path] = state.lastNode
            state.nodes[state.lastNode] = SimulatedDisk.Node()
            return state.lastNode
        }
        return MountedFile(mount: self, node: node, path: path)
    }

    func list(_ directory: String) throws(SystemError) -> [String] {
        try call(.open, directory) { (state, _) throws(SystemError) in
            let prefix = directory + "/"
            let below = (Array(state.names.keys) + state.directories).filter { $0.hasPrefix(prefix) }
            return Set(below.map { String($0.dropFirst(prefix.count).prefix { $0 != "/" }) }).sorted()
        }
    }

    func createDirectory(_ path: String) throws(SystemError) {
        try call(.syncDirectory, path) { (state, _) throws(SystemError) in _ = state.directories.insert(path) }
    }

    func removeDirectory(_ path: String) throws(SystemError) {
        try call(.unlink, path) { (state, _) throws(SystemError) in _ = state.directories.remove(path) }
    }

    func syncDirectory(_ path: String) throws(SystemError) {
        try call(.syncDirectory, path) { (state, _) throws(SystemError) in
            let prefix = path + "/"
            for name in Set(state.names.keys).union(state.durableNames.keys)
            where name.hasPrefix(prefix) && !name.dropFirst(prefix.count).contains("/") {
                state.durableNames[name] = state.names[name]
            }
        }
    }

    func unlink(_ path: String) throws(SystemError) {
        try call(.unlink, path) { (state, _) throws(SystemError) in
            guard state.names.removeValue(forKey: path) != nil else { throw SystemError(ENOENT, "unlink", path) }
        }
    }

    func rename(_ from: String, to: String) throws(SystemError) {
        try call(.rename, from) { (state, _) throws(SystemError) in
            guard let node = state.names.removeValue(forKey: from) else { throw SystemError(ENOENT, "rename", from) }
            state.names[to] = node
        }
    }

    func lock(_ path: String) throws(SystemError) -> any LogLock {
        try call(.open, path) { (state, _) throws(SystemError) in
            guard state.locks.insert(path).inserted else { throw SystemError(EWOULDBLOCK, "flock", path) }
        }
        return MountedLock(mount: self, path: path)
    }
}

final class MountedLock: LogLock {
    private let mount: MountedDisk
    private let path: String

    init(mount: MountedDisk, path: String) {
        self.mount = mount
        self.path = path
    }

    deinit {
        mount.disk.state.withLock { state in
            if state.epoch == mount.epoch { state.locks.remove(path) }
        }
    }
}

final class MountedFile: LogFile {
    private let mount: MountedDisk
    private let node: Int
    private let path: String

    init(mount: MountedDisk, node: Int, path: String) {
        self.mount = mount
        self.node = node
        self.path = path
    }

    func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(SystemError) -> Int {
        let data = Array(bytes)
        return try mount.call(.write, path) { (state, short) throws(SystemError) -> Int in
            var count = min(data.count, short ?? data.count)
            if let free = state.free {
                let growth = max(0, position + count - state.nodes[self.node]!.bytes.count)
                if growth > free { count -= growth - free }
                if count <= 0 { throw SystemError(ENOSPC, "write", self.path) }
                state.free = free - min(growth, free)
            }
            let taken = Array(data[..<count])
            SimulatedDisk.put(&state.nodes[self.node]!.bytes, position, taken)
            state.nodes[self.node]!.pending.append(.write(position, taken))
            return count
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(SystemError) -> Int {
        let found = try mount.call(.read, path) { (state, short) throws(SystemError) -> [UInt8] in
            let bytes = state.nodes[self.node]!.bytes
            guard position < bytes.count else { return [] }
            return Array(bytes[position..<min(bytes.count, position + (short ?? .max - position))])
        }
        let count = min(found.count, buffer.count)
        buffer.copyBytes(from: found[..<count])
        return count
    }

    func sync() throws(SystemError) {
        try mount.call(.sync, path) { (state, _) throws(SystemError) in
            state.syncs += 1
            state.nodes[self.node]!.durable = state.nodes[self.node]!.bytes
            state.nodes[self.node]!.pending = []
        }
    }

    func truncate(to size: Int) throws(SystemError) {
        try mount.call(.truncate, path) { (state, _) throws(SystemError) in
            if let free = state.free { state.free = free + max(0, state.nodes[self.node]!.bytes.count - size) }
            SimulatedDisk.resize(&state.nodes[self.node]!.bytes, size)
            state.nodes[self.node]!.pending.append(.truncate(size))
        }
    }

    func size() throws(SystemError) -> Int {
        try mount.call(.open, path) { (state, _) throws(SystemError) in state.nodes[self.node]!.bytes.count }
    }
}
