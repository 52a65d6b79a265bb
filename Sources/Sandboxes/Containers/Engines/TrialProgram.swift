/// A program that does nothing until it is killed: what a trial container runs, since no image is there before the first
/// function brings one. An ELF file of one page with a few instructions and nothing linked (elf(5)).
enum TrialProgram {
    /// The path inside a trial's root.
    static let path = "/wait"

    /// The file's bytes; `nil`: not known for this processor.
    static var bytes: [UInt8]? {
        #if arch(x86_64)
            // again: mov eax, 34 (pause); syscall; jmp again
            let machine = 62
            let code: [UInt8] = [0xB8, 0x22, 0, 0, 0, 0x0F, 0x05, 0xEB, 0xF7]
        #elseif arch(arm64)
            // x0…x3 = 0; again: mov x8, 73 (ppoll); svc 0; b again
            let machine = 183
            let words: [UInt32] = [
                0xD280_0000, 0xD280_0001, 0xD280_0002, 0xD280_0003, 0xD280_0928, 0xD400_0001, 0x17FF_FFFE,
            ]
            let code = words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
        #else
            return nil
        #endif
        #if arch(x86_64) || arch(arm64)
            let base = 0x40_0000
            let start = 120
            func number(_ value: Int, _ size: Int) -> [UInt8] {
                (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
            }
            let head =
                [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1, 0] + [UInt8](repeating: 0, count: 8)
                + number(2, 2) + number(machine, 2) + number(1, 4) + number(base + start, 8) + number(64, 8)
                + number(0, 8) + number(0, 4) + number(64, 2) + number(56, 2) + number(1, 2) + number(64, 2)
                + number(0, 2) + number(0, 2)
            let segment =
                number(1, 4) + number(5, 4) + number(0, 8) + number(base, 8) + number(base, 8)
                + number(start + code.count, 8) + number(start + code.count, 8) + number(0x1000, 8)
            return head + segment + code
        #endif
    }
}
