/// A dCache billing directory, as a person specifies it.
package struct BillingSpec: Sendable, Hashable {
    package enum Start: String, Sendable, Hashable, CaseIterable {
        /// All that the directory holds is read first.
        case earliest
        /// Only what comes after the very first start.
        case latest
    }

    /// Absolute.
    package var directory: String
    /// The zone of the billing host, as the tz database names it: billing text bears local times without a zone.
    package var timezone: String
    package var start: Start

    package init(directory: String, timezone: String = "UTC", start: Start = .earliest) {
        self.directory = directory
        self.timezone = timezone
        self.start = start
    }
}
