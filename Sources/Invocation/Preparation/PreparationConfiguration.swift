internal import Foundation

/// What may be installed for functions, and how.
package struct PreparationConfiguration: Sendable {
    /// What an operator allows to be fetched from package indexes.
    package enum Installs: String, Sendable, Hashable, CaseIterable {
        /// Nothing: only packages that lie in the function's archive are installed.
        case none
        /// Built packages: none of their code runs when they are installed.
        case wheels
        /// Source packages too, and the scripts of packages, which run inside the sandbox of the installation, with the
        /// host's network.
        case all
    }

    package var installs: Installs
    /// Where Python packages come from, in place of what `pip` is configured to use.
    package var pythonIndex: String?
    /// Where packages of Node.js come from, in place of what `npm` is configured to use.
    package var nodeRegistry: String?
    /// How long one preparation may take, milliseconds.
    package var timeout: Int64
    /// How much memory it may use, bytes.
    package var memory: Int64
    /// How many go on at the same time.
    package var concurrency: Int

    package init(
        installs: Installs = .none, pythonIndex: String? = nil, nodeRegistry: String? = nil,
        timeout: Int64 = 15 * 60_000, memory: Int64 = 4 << 30, concurrency: Int = 2
    ) {
        self.installs = installs
        self.pythonIndex = pythonIndex
        self.nodeRegistry = nodeRegistry
        self.timeout = timeout
        self.memory = memory
        self.concurrency = concurrency
    }

    /// What of the server's own environment an installer that may use the network is to know: proxies, certificates,
    /// the operator's settings of `pip` and `npm`.
    static var networkEnvironment: [String] {
        ProcessInfo.processInfo.environment.filter { variable in
            let name = variable.key.uppercased()
            return names.contains(name) || prefixes.contains { name.hasPrefix($0) }
        }.map { "\($0.key)=\($0.value)" }.sorted()
    }

    private static let names: Set<String> = [
        "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
    ]
    private static let prefixes = ["PIP_", "NPM_CONFIG_"]
}
