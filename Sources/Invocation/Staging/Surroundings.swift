package import Egress
package import Staging

/// What of the machine and the network around it functions may be given.
package struct Surroundings: Sendable {
    /// Brings files in and out; `nil`: functions that ask for that fail.
    package var staging: Staging?
    /// The way out for functions with a list of what they may reach.
    package var proxy: EgressProxy?
    /// Whether functions may ask for the machine's own network.
    package var allowsHostNetwork: Bool

    package init(staging: Staging? = nil, proxy: EgressProxy? = nil, allowsHostNetwork: Bool = false) {
        self.staging = staging
        self.proxy = proxy
        self.allowsHostNetwork = allowsHostNetwork
    }
}
