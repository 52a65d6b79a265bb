import CWeirRunner

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// The life of a worker: settings, the handler, then calls until the socket ends.
///
/// One thread works on it at a time, also when a handler waits.
final class Runner: @unchecked Sendable {
    private let control = Control()
    private let answers: Answers

    init() {
        answers = Answers(control)
        weir_logs_open()
        do {
            try configure(try CallFrame.settings(control.read()))
        } catch {
            fail("the server's settings cannot be read: \(error)")
        }
    }

    private func configure(_ settings: JSON) throws(JSONError) {
        var function = Function()
        function.name = settings["name"]?.string ?? ""
        function.namespace = settings["namespace"]?.string ?? ""
        function.version = settings["version"]?.string ?? ""
        function.timeout = Int(settings["timeout"]?.integer ?? 0)
        function.answerLimit = Int(settings["answerLimit"]?.integer ?? 1 << 20)
        function.parameters = settings["params"] ?? .object([])
        Function.shared = function
        for variable in settings["environment"]?.object ?? [] {
            if let value = variable.value.string { setenv(variable.name, value, 1) }
        }
        if let memory = settings["memory"]?.integer { weir_limit_memory(UInt64(max(0, memory))) }
        if let directory = settings["directory"]?.string { _ = chdir(directory) }
        mark = settings["marker"]?.string ?? ""
    }

    private var mark = ""

    private func fail(_ message: String) -> Never {
        weir_logs_flush()
        var line = Array("[2,0,".utf8)
        Self.append(error: message, to: &line)
        line.append(text: "]\n")
        control.send(line)
        exit(0)
    }

    func made<Handler>(kind: StaticString, _ body: () throws -> Handler) -> Handler {
        do {
            return ready(try body(), kind)
        } catch {
            fail("the code could not be loaded: \(error)")
        }
    }

    func made<Handler>(kind: StaticString, _ body: () async throws -> Handler) async -> Handler {
        do {
            return ready(try await body(), kind)
        } catch {
            fail("the code could not be loaded: \(error)")
        }
    }

    private func ready<Handler>(_ handler: Handler, _ kind: StaticString) -> Handler {
        weir_logs_flush()
        weir_logs_mark(mark)
        control.send(Array("{\"ready\":true,\"handler\":\"handle\",\"kind\":\"\(kind)\"}\n".utf8))
        return handler
    }

    func serve(_ body: (CallFrame, Answers) -> Void) -> Never {
        while true {
            let frame = begin()
            body(frame, answers)
            answers.flush()
        }
    }

    func serve(_ body: (CallFrame, Answers) async -> Void) async -> Never {
        while true {
            let frame = begin()
            await body(frame, answers)
            answers.flush()
        }
    }

    private func begin() -> CallFrame {
        do {
            let frame = try CallFrame(control.read())
            number = UInt64(frame.number)
            answers.begin(frame.number)
            return frame
        } catch {
            fail("a frame cannot be read: \(error)")
        }
    }

    private var number: UInt64 = 0

    func run(_ call: Call, _ index: Int, _ events: [Event], _ answers: Answers, _ body: (Context) throws -> JSON?) {
        let (context, began) = prepare(call, index, events)
        do {
            answer(try body(context), context, began, answers)
        } catch {
            answer(error, began, answers)
        }
    }

    func run(
        _ call: Call, _ index: Int, _ events: [Event], _ answers: Answers, _ body: (Context) async throws -> JSON?
    ) async {
        let (context, began) = prepare(call, index, events)
        do {
            answer(try await body(context), context, began, answers)
        } catch {
            answer(error, began, answers)
        }
    }

    private func prepare(_ call: Call, _ index: Int, _ events: [Event]) -> (Context, UInt64) {
        weir_logs_call(number, UInt32(index))
        for variable in call.besides?["environment"]?.object ?? [] {
            if let value = variable.value.string { setenv(variable.name, value, 1) }
        }
        let began = weir_nanoseconds()
        return (Context(call, events, began: began), began)
    }

    private func answer(_ result: JSON?, _ context: Context, _ began: UInt64, _ answers: Answers) {
        let took = Int64(weir_nanoseconds() - began)
        weir_logs_flush()
        answers.line.removeAll(keepingCapacity: true)
        let isFailure = result?["error"] != nil
        answers.line.append(text: isFailure ? "[1," : "[0,")
        answers.line.append(decimal: took)
        do {
            if result != nil || !context.published.isEmpty {
                answers.line.append(0x2C)
                try (result ?? .null).write(into: &answers.line)
                if !context.published.isEmpty, !isFailure {
                    answers.line.append(text: ",[")
                    answers.line.append(contentsOf: context.published)
                    answers.line.append(0x5D)
                }
            }
            answers.line.append(text: "]\n")
            if answers.line.count > Function.shared.answerLimit {
                throw JSONError(
                    "the answer is \(answers.line.count) bytes long, more than the \(Function.shared.answerLimit) that "
                        + "are allowed")
            }
        } catch {
            Self.fail(&answers.line, 2, took, "\(error)")
        }
        answers.add()
    }

    private func answer(_ error: any Error, _ began: UInt64, _ answers: Answers) {
        let took = Int64(weir_nanoseconds() - began)
        weir_logs_flush()
        Self.fail(&answers.line, 1, took, "\(error)")
        answers.add()
    }

    private static func fail(_ line: inout [UInt8], _ status: Int64, _ took: Int64, _ message: String) {
        line.removeAll(keepingCapacity: true)
        line.append(0x5B)
        line.append(decimal: status)
        line.append(0x2C)
        line.append(decimal: took)
        line.append(0x2C)
        append(error: message, to: &line)
        line.append(text: "]\n")
    }

    private static func append(error message: String, to line: inout [UInt8]) {
        line.append(text: "{\"error\":")
        line.append(quoted: message)
        line.append(0x7D)
    }
}
