package import Channels
package import HTTPTypes

extension HTTPResponse.Status {
    /// 507 of RFC 4918 §11.5.
    package static let insufficientStorage = HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage")
}

extension Problem {
    /// What a channel could not do.
    package init(_ error: ChannelError) {
        switch error.code {
        case .diskFull:
            self.init(.insufficientStorage, "disk-full", error.message, headers: [.retryAfter: "10"])
        case .ioFailure, .closed, .unavailable, .denied:
            self.init(.serviceUnavailable, "unavailable", error.message, headers: [.retryAfter: "1"])
        case .recordTooLarge:
            self.init(.contentTooLarge, "too-large", error.message)
        case .outOfRange:
            self.init(.badRequest, "out-of-range", error.message)
        case .locked, .conflict:
            self.init(.conflict, "conflict", error.message)
        case .format:
            self.init(.internalServerError, "internal-error", error.message)
        }
    }
}
