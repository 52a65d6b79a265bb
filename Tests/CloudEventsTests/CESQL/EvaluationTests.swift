import CloudEvents
import Foundation
import TestSupport
import Testing

/// What the handed-out cases of the specification do not say, by its text.
@Suite struct EvaluationTests {
    static let record = EventRecord(
        Samples.event(
            id: "A", source: "/s", type: "T", subject: "10",
            extensions: [
                .init(name: "n", value: .integer(7)), .init(name: "flag", value: .boolean(true)),
                .init(name: "blob", value: .binary([255])), .init(name: "1a", value: .string("x")),
                .init(name: "min", value: .integer(.min)), .init(name: "uni", value: .string("aé😀")),
                .init(name: "123", value: .string("digits")),
            ]))

    static func evaluate(_ text: String) throws -> (CESQLValue, [CESQLError.Kind]) {
        let expression = try CESQLExpression(parsing: text)
        let (value, errors) = record.withView { expression.evaluate($0) }
        return (value, errors.map(\.kind))
    }

    @Test(arguments: [
        // Attributes.
        ("id", CESQLValue.string("A"), [] as [CESQLError.Kind]), ("ID", .string("A"), []), ("n", .integer(7), []),
        ("flag", .boolean(true), []), ("blob", .string("/w=="), []), ("1a", .string("x"), []), ("1A", .string("x"), []),
        ("specversion", .string("1.0"), []), ("nothing", .boolean(false), [.missingAttribute]),
        ("EXISTS nothing", .boolean(false), []), ("exists N", .boolean(true), []), ("EXISTS 123", .boolean(true), []),
        ("NOT EXISTS nothing", .boolean(true), []), ("123", .integer(123), []),
        // Precedence and order.
        ("1 + 2 * 3", .integer(7), []), ("(1 + 2) * 3", .integer(9), []), ("7 - 2 - 1", .integer(4), []),
        ("8 / 4 / 2", .integer(1), []), ("2 * 7 % 4", .integer(2), []), ("4-1", .integer(3), []),
        ("4 -1", .integer(3), []), ("4+-1", .integer(3), []), ("+5", .integer(5), []), ("- 5", .integer(-5), []),
        ("1 + 1 = 2", .boolean(true), []), ("1 < 2 = true", .boolean(true), []),
        ("2 = 1 + 1 AND 3 > 2", .boolean(true), []),
        ("true OR true AND false", .boolean(false), []), ("false AND false OR true", .boolean(true), []),
        ("true XOR true XOR true", .boolean(true), []), ("NOT true = false", .boolean(true), []),
        ("NOT false AND false", .boolean(false), []), ("NOT id LIKE 'A'", .boolean(false), [.cast]),
        ("-n + 1", .integer(-6), []), ("1 + n IN (7)", .integer(2), []), ("NOT NOT true", .boolean(true), []),
        // Casts.
        ("subject = 10", .boolean(true), []), ("10 = subject", .boolean(true), []), ("n = '7'", .boolean(true), []),
        ("'07' = 7", .boolean(true), []), ("7 = '07'", .boolean(false), []), ("'+7' = 7", .boolean(true), []),
        ("flag = 'true'", .boolean(true), []), ("flag = 'TRUE'", .boolean(false), []),
        ("'True' = flag", .boolean(true), []),
        ("flag = 1", .boolean(true), []), ("1 = flag", .boolean(true), []), ("2 = flag", .boolean(true), []),
        ("'abc' = 1", .boolean(false), [.cast]), ("'abc' = 0", .boolean(true), [.cast]),
        ("'abc' AND true", .boolean(false), [.cast]), ("1 AND flag", .boolean(true), []),
        ("'2147483648' + 0", .integer(0), [.cast]), ("' 1' + 1", .integer(1), [.cast]),
        ("'' + 1", .integer(1), [.cast]),
        ("'2' < 10", .boolean(true), []), ("'a' < 1", .boolean(true), [.cast]), ("true > false", .boolean(true), []),
        ("NOT 'x'", .boolean(true), [.cast]), ("-'x'", .integer(0), [.cast]),
        // Errors of operands make the zero value.
        ("nothing + 1", .integer(0), [.missingAttribute]), ("1 / nothing", .integer(0), [.missingAttribute]),
        ("nothing OR true", .boolean(false), [.missingAttribute]), ("true OR nothing", .boolean(true), []),
        ("false AND nothing", .boolean(false), []), ("true AND nothing", .boolean(false), [.missingAttribute]),
        ("nothing XOR true", .boolean(false), [.missingAttribute]),
        ("NOT (nothing = 1)", .boolean(false), [.missingAttribute]),
        ("nothing NOT LIKE 'x'", .boolean(false), [.missingAttribute]),
        ("nothing NOT IN ('x')", .boolean(false), [.missingAttribute]),
        ("id IN (nothing)", .boolean(false), [.missingAttribute]), ("id IN ('A', nothing)", .boolean(true), []),
        ("LENGTH(nothing)", .integer(0), [.missingAttribute]),
        ("CONCAT('a', nothing)", .string(""), [.missingAttribute]),
        ("BOOL(nothing)", .boolean(false), [.missingAttribute]), ("ABS(1 / 0)", .integer(0), [.math]),
        ("1 / 0 + 1", .integer(0), [.math]), ("(5 % 0) = 0", .boolean(false), [.math]),
        // Arithmetic at the edges.
        ("-2147483648", .integer(.min), []), ("2147483647 + 1", .integer(0), [.math]),
        ("-2147483648 - 1", .integer(0), [.math]), ("65536 * 65536", .integer(0), [.math]),
        ("min / -1", .integer(0), [.math]), ("min % -1", .integer(0), []), ("-min", .integer(0), [.math]),
        ("--2147483648", .integer(0), [.math]), ("-7 / 2", .integer(-3), []), ("-7 % 2", .integer(-1), []),
        ("7 % -2", .integer(1), []), ("ABS(min)", .integer(.max), [.math]), ("ABS(-5)", .integer(5), []),
        // IN.
        ("n IN ('x', '7')", .boolean(true), [.cast]), ("0 IN ('x')", .boolean(false), [.cast]),
        ("n NOT IN (1, 2)", .boolean(true), []), ("flag IN (1)", .boolean(true), []), ("1 + 1 IN (1)", .integer(2), []),
        // LIKE.
        ("'abc' LIKE 'a%'", .boolean(true), []), ("'abc' LIKE '%'", .boolean(true), []),
        ("'' LIKE '%'", .boolean(true), []),
        ("'' LIKE ''", .boolean(true), []), ("'' LIKE '_'", .boolean(false), []),
        ("'abc' LIKE 'a_c'", .boolean(true), []),
        ("'abc' LIKE 'A%'", .boolean(false), []), ("'a%c' LIKE 'a\\%c'", .boolean(true), []),
        ("'abc' LIKE 'a\\%c'", .boolean(false), []), ("'a_c' LIKE 'a\\_c'", .boolean(true), []),
        ("'abc' LIKE 'a\\_c'", .boolean(false), []), ("'aXbXc' LIKE '%X%X%'", .boolean(true), []),
        ("'mississippi' LIKE '%iss%ppi'", .boolean(true), []), ("'a.c' LIKE 'a.c'", .boolean(true), []),
        ("'abc' LIKE 'a.c'", .boolean(false), []), ("'ab' NOT LIKE '_'", .boolean(true), []),
        ("uni LIKE 'a__'", .boolean(true), []), ("n LIKE '7'", .boolean(true), []),
        ("flag LIKE 'tr%'", .boolean(true), []),
        ("'a\nb' LIKE 'a%b'", .boolean(true), []), ("'a\\\\b' LIKE 'a\\\\b'", .boolean(true), []),
        // Functions.
        ("length(uni)", .integer(3), []), ("LEFT(uni, 2)", .string("aé"), []), ("RIGHT(uni, 1)", .string("😀"), []),
        ("LEFT('abc', 0)", .string(""), []), ("LEFT('abc', 'x')", .string(""), [.cast]),
        ("SUBSTRING(uni, 2, 1)", .string("é"), []), ("SUBSTRING('abc', 3, 9)", .string("c"), []),
        ("SUBSTRING('abc', 1, 0)", .string(""), []), ("SUBSTRING('abc', 1, -1)", .string(""), [.functionEvaluation]),
        ("SUBSTRING('abc', 4)", .string(""), [.functionEvaluation]), ("SUBSTRING('abc', -3)", .string("abc"), []),
        ("SUBSTRING('', 0)", .string(""), []), ("UPPER('aé')", .string("AÉ"), []),
        ("TRIM('\u{2003}\t a b \u{a0}')", .string("a b"), []), ("TRIM('   ')", .string(""), []),
        ("CONCAT(1, true, 'x')", .string("1truex"), []), ("concat_ws('-', 1, 2)", .string("1-2"), []),
        ("STRING(min)", .string("-2147483648"), []), ("BOOL(n)", .boolean(true), []), ("INT(flag)", .integer(1), []),
        ("IS_INT('5')", .boolean(true), []), ("IS_INT('x')", .boolean(false), []),
        ("IS_BOOL('TRUE')", .boolean(true), []),
        ("IS_BOOL('x')", .boolean(false), []), ("NOSUCH(1)", .boolean(false), [.missingFunction]),
        ("LENGTH()", .boolean(false), [.missingFunction]), ("LEFT('a')", .boolean(false), [.missingFunction]),
        ("ABC_D('a', 1)", .boolean(false), [.missingFunction]),
        ("NOSUCH(1) = false", .boolean(false), [.missingFunction]),
        // Strings.
        ("'it''s'", .string("it's"), []), ("'a\\'b'", .string("a'b"), []), ("\"a'b\"", .string("a'b"), []),
        ("'a\\\"b'", .string("a\\\"b"), []), ("'\u{e9}' = 'e\u{301}'", .boolean(false), []), ("''", .string(""), []),
        ("'a' <> 'b'", .boolean(true), []), ("id=\n'A'\tAND\r\ntype='T'", .boolean(true), []),
    ])
    func givesTheValueAndTheErrors(_ text: String, _ value: CESQLValue, _ errors: [CESQLError.Kind]) throws {
        let result = try Self.evaluate(text)
        #expect(result.0 == value, "\(text)")
        #expect(result.1 == errors, "\(text)")
    }

    @Test(arguments: [
        ("", 1, 1, "a value was expected, not the end"), ("1 +", 1, 4, "a value was expected, not the end"),
        ("(1", 1, 3, "a closing ) was expected, not the end"),
        ("1)", 1, 2, "an operator or the end was expected, not \")\""),
        ("id id", 1, 4, "an operator or the end was expected, not \"id\""),
        ("id = 'x", 1, 6, "the string that begins here is not closed"),
        ("id\n = #", 2, 4, "the character # has no meaning here"), ("id ! 1", 1, 4, "! must be followed by ="),
        ("2147483648", 1, 1, "the number 2147483648 is outside -2147483648 to 2147483647"),
        ("-2147483649", 1, 1, "the number -2147483649 is outside -2147483648 to 2147483647"),
        ("id LIKE type", 1, 9, "the pattern of LIKE must be a string between quotes, not \"type\""),
        ("id LIKE 5", 1, 9, "the pattern of LIKE must be a string between quotes, not \"5\""),
        ("id IN ()", 1, 8, "the set of IN must not be empty"),
        ("id IN 'x'", 1, 7, "the set of IN must begin with (, not a string"),
        ("id IN ('x',)", 1, 12, "a value was expected, not \")\""),
        ("EXISTS 'x'", 1, 8, "an attribute name was expected, not a string"),
        ("EXISTS not", 1, 8, "an attribute name was expected, not the keyword \"not\""),
        ("and", 1, 1, "a value was expected, not \"and\""), ("id AND OR id", 1, 8, "a value was expected, not \"OR\""),
        ("my_ext = 1", 1, 1, "\"my_ext\" is no attribute name: letters and digits only"),
        ("F1(2)", 1, 1, "\"F1\" is no function name: letters and _ only, a letter first"),
        ("LEFT('a' 2)", 1, 10, "a comma or a closing ) was expected, not \"2\""),
        ("+ 5", 1, 1, "a value was expected, not \"+\""),
        ("id == 1", 1, 5, "a value was expected, not \"=\""),
        ("id NOT = 1", 1, 4, "an operator or the end was expected, not \"NOT\""),
        ("é", 1, 1, "the character U+E9 has no meaning here"),
    ])
    func refusesWithLineAndColumn(_ text: String, _ line: Int, _ column: Int, _ reason: String) {
        let error = Samples.error { () throws(CESQLParseError) in _ = try CESQLExpression(parsing: text) }
        #expect(error?.line == line, "\(text)")
        #expect(error?.column == column, "\(text)")
        #expect(error?.reason == reason)
        #expect(error?.message == "not a CESQL expression at line \(line), column \(column): \(reason)")
    }

    @Test func boundsTheDepthOfTheTree() throws {
        func nested(_ opening: String, _ closing: String, _ depth: Int) -> String {
            String(repeating: opening, count: depth) + "true" + String(repeating: closing, count: depth)
        }
        for (opening, closing) in [("(", ")"), ("NOT ", ""), ("STRING(", ")"), ("true IN (", ")")] {
            _ = try Self.evaluate(nested(opening, closing, 64))
            for depth in [65, 3_000] {
                let error = Samples.error { () throws(CESQLParseError) in
                    _ = try CESQLExpression(parsing: nested(opening, closing, depth))
                }
                #expect(error?.reason == "nesting is deeper than 64", "\(opening)")
            }
        }
        let chain = "1" + String(repeating: " + 1", count: 255)
        #expect(try Self.evaluate(chain).0 == .integer(256))
        let error = Samples.error { () throws(CESQLParseError) in _ = try CESQLExpression(parsing: chain + " + 1") }
        #expect(error?.reason == "more than 256 operators build on each other; IN holds many values")
        #expect(throws: CESQLParseError.self) { try CESQLExpression(parsing: "1 + (" + chain + ")") }
        #expect(try Self.evaluate("1 IN (" + String(repeating: "0,", count: 9_000) + "1)").0 == .boolean(true))
        #expect(throws: CESQLParseError.self) {
            try CESQLExpression(parsing: "1 IN (" + String(repeating: "1,", count: 10_000) + "1)")
        }
    }

    @Test(arguments: [
        ("(", "1", " + 1)", 64, 64), ("", "true", " AND true", 0, 255), ("NOT ", "true", " IN (true)", 64, 191),
        ("CONCAT('a',", "'b'", ")", 64, 64), ("true IN (", "true", ")", 64, 64),
    ])
    func theDeepestTreesFitASmallStack(
        _ opening: String, _ middle: String, _ closing: String, _ openings: Int, _ closings: Int
    ) async throws {
        let text =
            String(repeating: opening, count: openings) + middle + String(repeating: closing, count: closings)
        let outcome = await withCheckedContinuation { continuation in
            let thread = Thread {
                let expression = try? CESQLExpression(parsing: text)
                continuation.resume(
                    returning: expression.map { one in Self.record.withView { one.evaluate($0).errors } })
            }
            thread.stackSize = 1 << 20
            thread.start()
        }
        #expect(outcome?.isEmpty == true)
    }

    @Test func aFilterWantsTrueAndNoError() throws {
        func passes(_ text: String) throws -> Bool {
            let expression = try CESQLExpression(parsing: text)
            return Self.record.withView { expression.passes($0) }
        }
        #expect(try passes("n = 7"))
        #expect(try !passes("n = 8"))
        #expect(try !passes("n"))
        #expect(try !passes("'true'"))
        #expect(try !passes("NOT 10"))
    }
}
