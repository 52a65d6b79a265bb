/// `major.minor.patch`.
struct WhiskVersion {
    private let parts: [Int]

    /// `nil` when it is not of this form.
    init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        var numbers: [Int] = []
        for part in parts {
            guard let number = Int(part), number >= 0, part.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
                return nil
            }
            numbers.append(number)
        }
        self.parts = numbers
    }

    /// The next patch.
    var next: String { "\(parts[0]).\(parts[1]).\(parts[2] &+ 1)" }

    /// What an update makes of a version: the one that is asked for, else one patch more.
    static func after(_ current: String, asked: String?) -> String {
        asked ?? WhiskVersion(current)?.next ?? "0.0.1"
    }
}
