internal import Synchronization

/// What an image may amount to when it is unpacked; held while that happens, since headers can say anything.
package struct LayerLimits: Sendable, Hashable {
    /// Files, folders and links of all layers together.
    package var entries = 1_000_000
    /// Bytes of all unpacked layers together.
    package var totalSize: Int64 = 32 << 30
    /// Bytes of all packed layers together.
    package var packedSize: Int64 = 16 << 30
    /// How many times larger than its packed form a layer may be; counts beyond the first 64 MiB.
    package var ratio: Int64 = 300
    /// Folders within each other.
    package var depth = 128
    package var partLength = 255
    package var pathLength = 4096

    package init() {}
}

/// What all layers of one image may still amount to; they are unpacked side by side.
final class ImageAllowance: Sendable {
    let limits: LayerLimits
    private let produced = Atomic<Int64>(0)
    private let entries = Atomic<Int>(0)

    init(_ limits: LayerLimits) {
        self.limits = limits
    }

    func produce(_ count: Int) throws(ContainerError) {
        guard produced.add(Int64(count), ordering: .relaxed).newValue <= limits.totalSize else {
            throw ContainerError(.tooLarge, "the image's layers are larger than \(limits.totalSize) bytes unpacked")
        }
    }

    func entry() throws(ContainerError) {
        guard entries.add(1, ordering: .relaxed).newValue <= limits.entries else {
            throw ContainerError(.tooLarge, "the image's layers hold more than \(limits.entries) files")
        }
    }
}

/// Keeps count of what has come out of one layer.
struct LayerBudget {
    let allowance: ImageAllowance
    private let packed: Int64
    private var produced: Int64 = 0

    var limits: LayerLimits { allowance.limits }

    /// - Parameter packed: the bytes of the layer as it came.
    init(_ allowance: ImageAllowance, packed: Int64) {
        self.allowance = allowance
        self.packed = packed
    }

    mutating func produce(_ count: Int) throws(ContainerError) {
        try allowance.produce(count)
        produced += Int64(count)
        guard produced <= 64 << 20 || produced / limits.ratio <= packed else {
            throw ContainerError(
                .tooLarge,
                "a layer of the image is more than \(limits.ratio) times larger than it is packed: this looks like a bomb"
            )
        }
    }

    func entry() throws(ContainerError) { try allowance.entry() }
}
