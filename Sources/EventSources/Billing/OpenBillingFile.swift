/// A billing file that is open: it can be read to its end when its name is gone.
final class OpenBillingFile {
    let file: any OpenFile
    let inode: UInt64
    var decoder: any LineDecoding
    /// The first bytes, until there are enough for the fingerprint.
    var head: [UInt8]

    init(file: any OpenFile, inode: UInt64, decoder: any LineDecoding, head: [UInt8]) {
        self.file = file
        self.inode = inode
        self.decoder = decoder
        self.head = head
    }
}
