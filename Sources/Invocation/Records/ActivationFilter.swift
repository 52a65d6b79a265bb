package import CloudEvents

/// Which activations a list shows.
package struct ActivationFilter: Sendable, Hashable {
    package var namespace: String?
    /// The function's name within its namespace.
    package var function: String?
    package var status: Activation.Status?
    package var subscription: String?
    /// Started at or after, milliseconds since 1970.
    package var since: Int64?
    /// Started before, milliseconds since 1970.
    package var until: Int64?

    package init(
        namespace: String? = nil, function: String? = nil, status: Activation.Status? = nil,
        subscription: String? = nil, since: Int64? = nil, until: Int64? = nil
    ) {
        self.namespace = namespace
        self.function = function
        self.status = status
        self.subscription = subscription
        self.since = since
        self.until = until
    }

    /// Whether a kept record passes. The function is compared through the subject, `namespace/name`.
    package func matches(_ view: EventView) -> Bool {
        if let status, !equals(view.attribute("status"), status.rawValue) { return false }
        if let subscription, !equals(view.attribute("subscription"), subscription) { return false }
        if namespace != nil || function != nil {
            guard let subject = view.attribute("subject"), let slash = subject.firstIndex(of: 0x2F) else {
                return false
            }
            if let namespace, !equals(UnsafeRawBufferPointer(rebasing: subject[..<slash]), namespace) { return false }
            if let function, !equals(UnsafeRawBufferPointer(rebasing: subject[(slash + 1)...]), function) {
                return false
            }
        }
        guard since != nil || until != nil else { return true }
        guard let start = view.string("time").flatMap(EventTime.init)?.milliseconds else { return false }
        if let since, start < since { return false }
        if let until, start >= until { return false }
        return true
    }

    private func equals(_ bytes: UnsafeRawBufferPointer?, _ text: String) -> Bool {
        bytes?.elementsEqual(text.utf8) ?? false
    }
}

/// One page of a list, newest first.
package struct ActivationPage: Sendable {
    package var activations: [Activation]
    /// Gives the next page; `nil` on the last one.
    package var cursor: String?
}
