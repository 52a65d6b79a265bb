/// A format turned into matchers, one for each way its conditions can come out.
final class CompiledFormat: Sendable {
    /// What an attribute's text can be; narrow classes need no search and rule out wrong readings early.
    enum FieldClass: UInt8, Sendable {
        /// Anything; ends where the next literal begins.
        case free
        /// Anything without blanks.
        case solid
        /// An integer, perhaps negative.
        case integer
        /// Hexadecimal digits, perhaps none.
        case hex
        /// `true` or `false`.
        case truth
        /// Letters and hyphens.
        case word
        /// A date in the default format, `MM.dd HH:mm:ss`.
        case standardDate
        /// A date in another format.
        case date
    }

    struct Element: Sendable {
        /// The literal's place in the variant's pool; empty for a field.
        var literal: Range<Int32>
        /// The field's slot; -1 for a literal.
        var slot: Int32
        var fieldClass: FieldClass
    }

    /// A sequence of literals and fields. Everything before the pivot is read from the left, everything after it from the
    /// right; the pivot takes what is left (§4.4: the path is greedy, the tail is fixed).
    struct Variant: Sendable {
        var elements: [Element]
        var pool: [UInt8]
        var pivot: Int
        /// The literal at the end, by which a record is known to be complete.
        var tail: [UInt8]
        /// How many `"` its literals hold.
        var quotes = 0
    }

    let message: BillingMessage
    let text: [UInt8]
    let variants: [Variant]
    /// The order in which the quick reading tries the variants: of the default formats the ways cannot be mistaken for
    /// one another, so the common one (with a storage class) is first.
    let quickOrder: [Int]
    /// The attributes in their order, and the slots of their places (`FieldSpans`).
    let names: [String]
    let slots: [Int]
    /// How many slots there are, used or not.
    let slotCount: Int
    /// Indices in `names` of attributes that have no place in the normalised record.
    let extras: [Int]
    /// Whether it is dCache's default format of its message, for which there is a straight matcher.
    let isDefault: Bool
    let datePattern: DatePattern
    /// Whether the format begins `$date$ [$cellType$:…:$type$]`, so that a line says by itself what it is.
    let isTagged: Bool

    static let maximumSlots = 60

    init(message: BillingMessage, format: [UInt8]) throws(BillingFormatError) {
        let ways = try FormatTemplate(format).variants()
        var names: [String] = []
        var slots: [Int] = []
        var pattern: DatePattern?
        var variants: [Variant] = []
        for way in ways {
            var variant = Variant(elements: [], pool: [], pivot: -1, tail: [])
            for node in way {
                switch node {
                case .literal(let text):
                    let start = Int32(variant.pool.count)
                    variant.pool += text
                    let range = start..<(start + Int32(text.count))
                    if let last = variant.elements.last, last.slot < 0 {
                        variant.elements[variant.elements.count - 1].literal =
                            last.literal.lowerBound..<range.upperBound
                    } else {
                        variant.elements.append(Element(literal: range, slot: -1, fieldClass: .free))
                    }
                case .attribute(let name, let format, _):
                    if name == "date" {
                        guard let compiled = DatePattern(format ?? "MM.dd HH:mm:ss") else {
                            throw BillingFormatError(message: "the date format \"\(format ?? "")\" cannot be read back")
                        }
                        pattern = pattern ?? compiled
                    }
                    let index = names.firstIndex(of: name) ?? names.count
                    if index == names.count {
                        // Of two names for one attribute the first is read.
                        let known = KnownAttribute(named: name).map { Int($0.rawValue) }
                        slots.append(known.flatMap { slots.contains($0) ? nil : $0 } ?? FieldSpans.known + index)
                        names.append(name)
                    }
                    let isStandard = format == nil || format == "MM.dd HH:mm:ss"
                    variant.elements.append(
                        Element(
                            literal: 0..<0, slot: Int32(slots[index]),
                            fieldClass: Self.fieldClass(name, isStandardDate: isStandard)))
                case .condition: break
                }
            }
            // A way that prints no attribute tells nothing and would match a bare constant.
            guard variant.elements.contains(where: { $0.slot >= 0 }) else { continue }
            variant.pivot = Self.pivot(variant.elements) { names[slots.firstIndex(of: $0) ?? 0] }
            if let last = variant.elements.last, last.slot < 0 {
                variant.tail = Array(variant.pool[Int(last.literal.lowerBound)..<Int(last.literal.upperBound)])
            }
            variant.quotes = variant.pool.count { $0 == 0x22 }
            variants.append(variant)
        }
        guard !names.isEmpty, names.count <= Self.maximumSlots else {
            throw BillingFormatError(
                message: names.isEmpty ? "the format has no attribute" : "the format has more than 60 attributes")
        }
        self.message = message
        self.text = format
        self.variants = variants
        isDefault = format == Array(message.defaultFormat.utf8)
        quickOrder = isDefault ? variants.indices.reversed() : Array(variants.indices)
        self.names = names
        datePattern = pattern ?? .standard
        self.slots = slots
        slotCount = FieldSpans.known + names.count
        extras = names.indices.filter { KnownAttribute(named: names[$0]) == nil }
        isTagged = Self.startsTagged(format)
    }

    private static func startsTagged(_ format: [UInt8]) -> Bool {
        let text = String(decoding: format, as: UTF8.self)
        return text.hasPrefix("$date$ [$cellType$:$cellName$:$type$] ")
            || text.hasPrefix("$date$ [$cellType$:$cellName.cell$:$type$] ")
    }

    private static func fieldClass(_ name: String, isStandardDate: Bool) -> FieldClass {
        switch name {
        case "date": isStandardDate ? .standardDate : .date
        case "rc", "filesize", "transferred", "connectionTime", "transactionTime", "transferTime", "queuingTime", "uid",
            "gid", "protocol.minorVersion", "protocol.majorVersion":
            .integer
        case "pnfsid", "pnfsid.id": .hex
        case "created", "p2p", "cached", "cellName.isQualified": .truth
        case "type", "cellType": .word
        case "storage.hsm", "cellName.cell", "cellName.domain", "cellName": .solid
        default: .free
        }
    }

    /// The path; else the message; else the last field that can be anything; else the last field.
    private static func pivot(_ elements: [Element], name: (Int) -> String) -> Int {
        func index(of wanted: String) -> Int? {
            elements.lastIndex { $0.slot >= 0 && name(Int($0.slot)) == wanted }
        }
        return index(of: "path") ?? index(of: "message")
            ?? elements.lastIndex { $0.slot >= 0 && $0.fieldClass == .free }
            ?? elements.lastIndex { $0.slot >= 0 } ?? 0
    }
}
