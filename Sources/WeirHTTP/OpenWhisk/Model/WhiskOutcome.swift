import CloudEvents
import Invocation

/// What a run means in OpenWhisk's words.
enum WhiskOutcome {
    /// - Returns: the status, and the result as it is told: of an application error only the error is kept, and what
    ///   Weir says of a function that failed is said in the words that clients know.
    static func judge(_ activation: Activation, _ notes: WhiskNotes) -> (WhiskRecord.Outcome, [UInt8]) {
        switch activation.status {
        case .success: success(activation, notes)
        case .applicationError:
            (.applicationError, error(of: activation.result) ?? activation.result)
        case .timeout:
            (
                .developerError,
                message("The action exceeded its time limits of \(timeout(notes)) milliseconds.")
            )
        case .developerError: developerError(activation, notes)
        case .internalError, .stagingError: (.internalError, activation.result)
        }
    }

    private static func success(_ activation: Activation, _ notes: WhiskNotes) -> (WhiskRecord.Outcome, [UInt8]) {
        let first = activation.result.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
        switch first {
        case 0x7B, 0x5B: return (.success, activation.result)
        case 0x6E where !notes.isStrict: return (.success, Array("{}".utf8))
        default: return (.developerError, message("The action did not return a dictionary or array."))
        }
    }

    /// What a function said of its failure by itself.
    private static func error(of result: [UInt8]) -> [UInt8]? {
        guard let object = try? JSONValue(parsing: result).object, let error = object["error"] else { return nil }
        return object.count == 1 ? result : JSONValue.object(["error": error]).encoded()
    }

    private static func developerError(_ activation: Activation, _ notes: WhiskNotes) -> (WhiskRecord.Outcome, [UInt8])
    {
        let text = (try? JSONValue(parsing: activation.result))?["error"]?.string ?? ""
        // A result beyond the limit is the application's affair upstream.
        if let match = text.wholeMatch(of: tooLong) {
            return (
                .applicationError,
                message(
                    "The action produced a response that exceeded the allowed length: \(match.1) > \(match.2) bytes. "
                        + "The truncated response was: ")
            )
        }
        if text.hasPrefix("out of memory") || text.contains("ran out of memory") {
            return (.developerError, message("The action exhausted its memory and was aborted."))
        }
        if let reason = text.dropPrefix("the code could not be loaded: ") {
            return (
                .developerError,
                message(
                    reason.hasPrefix("the function's process")
                        ? "The action did not initialize and exited unexpectedly."
                        : "The action failed during initialization: \(reason)")
            )
        }
        if text == "the function's code was not loaded in time" {
            return (
                .developerError,
                message(
                    "The action exceeded its time limits of \(timeout(notes)) milliseconds during initialization.")
            )
        }
        if text.hasPrefix("the function's process was stopped: its answer is not valid JSON") {
            return (.developerError, message("The action did not return a dictionary or array."))
        }
        if text.hasPrefix("the function's process ended") || text.hasPrefix("the function's process was killed") {
            return (
                .developerError, message("The action did not produce a valid response and exited unexpectedly.")
            )
        }
        return (.developerError, activation.result)
    }

    // Weir's own words for an answer that is too long (`Runtimes/python/runner.py`).
    private static var tooLong: Regex<(Substring, Substring, Substring)> {
        /the answer is (\d+) bytes long, more than the (\d+) that are allowed/
    }

    private static func timeout(_ notes: WhiskNotes) -> Int64 {
        notes.limits?["timeout"]?.integer ?? WhiskLimits().timeout
    }

    static func message(_ text: String) -> [UInt8] { JSONValue.object(["error": .string(text)]).encoded() }
}

extension String {
    /// What stands behind a prefix; `nil` when the text does not begin with it.
    fileprivate func dropPrefix(_ prefix: String) -> Substring? {
        hasPrefix(prefix) ? self[index(startIndex, offsetBy: prefix.count)...] : nil
    }
}
