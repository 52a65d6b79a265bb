import Channels
import CloudEvents
import Delivery
import EventSources
import Foundation
import Functions
import HTTPTypes
import Invocation
import Logging
import Manifest
import Persistence
import WeirHTTP

/// The server behind the HTTP face: each call is handed to the part that it concerns.
///
/// The files beside this one hold one topic each. Nothing here decides anything that a part could decide by itself.
final class ServerEngine: Engine {
    let parts: Parts
    let versionText: String
    let started: Date
    let replayBook = ReplayBook()

    init(_ parts: Parts, version: String) {
        self.parts = parts
        versionText = version
        started = Date()
    }

    static var now: Int64 { Int64(Date().timeIntervalSince1970 * 1000) }
}

extension Problem {
    /// A registry or state store that could not do what was asked.
    init(_ error: PersistenceError) {
        switch error.code {
        case .conflict: self = .conflict(error.message)
        case .notFound: self = Problem(.notFound, "not-found", error.message)
        case .diskFull: self = Problem(.insufficientStorage, "disk-full", error.message, headers: [.retryAfter: "10"])
        case .closed: self = .unavailable(error.message)
        case .invalid: self = Problem(.badRequest, "invalid", error.message)
        case .ioFailure, .corrupt: self = .internalError(error.message)
        }
    }
}
