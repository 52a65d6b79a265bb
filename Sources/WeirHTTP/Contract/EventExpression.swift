package import CloudEvents

/// A compiled filter expression over one event.
package struct EventExpression: Sendable {
    /// As it was written.
    package let text: String
    private let evaluate: @Sendable (EventView) -> Bool

    package init(text: String, evaluate: @escaping @Sendable (EventView) -> Bool) {
        self.text = text
        self.evaluate = evaluate
    }

    package func matches(_ event: EventView) -> Bool { evaluate(event) }
}
