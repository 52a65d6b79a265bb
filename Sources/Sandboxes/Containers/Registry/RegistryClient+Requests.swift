internal import AsyncHTTPClient
internal import CloudEvents
internal import Foundation
internal import Functions
internal import Identity
internal import NIOCore
internal import NIOHTTP1

extension RegistryClient {
    /// Asks, with what the registry wants to see, and follows redirects.
    func get(
        _ image: ImageReference, _ path: String, _ namespace: String, headers: [(String, String)], timeout: Int64
    ) async throws(ContainerError) -> HTTPClientResponse {
        let scheme = settings.isPlain(image) ? "http" : "https"
        let url = "\(scheme)://\(Self.server(image.host))\(path)"
        let account = settings.credentials(image.host, namespace: namespace)
        let key = RegistryTokens.Key(repository: image.repository, username: account?.username)
        var hasAsked = false
        while true {
            let known = tokens.find(key, now: Self.now)
            let response = try await follow(url, headers, known, timeout, image)
            guard response.status == .unauthorized, !hasAsked else { return response }
            hasAsked = true
            tokens.forget(key)
            guard let challenge = RegistryChallenge(response.headers["www-authenticate"]) else { return response }
            guard let answer = try await access(to: image, challenge, account) else { return response }
            tokens.keep(key, answer)
        }
    }

    private func follow(
        _ start: String, _ headers: [(String, String)], _ access: Secret?, _ timeout: Int64, _ image: ImageReference
    ) async throws(ContainerError) -> HTTPClientResponse {
        var url = start
        for _ in 0...limits.redirects {
            var request = HTTPClientRequest(url: url)
            request.headers.add(name: "User-Agent", value: "weir")
            for (name, value) in headers { request.headers.add(name: name, value: value) }
            if let access, Self.isSameOrigin(url, start) {
                request.headers.add(name: "Authorization", value: access.reveal())
            }
            let response = try await execute(request, timeout, image.host)
            guard [301, 302, 303, 307, 308].contains(response.status.code) else { return response }
            guard let place = response.headers.first(name: "location"),
                let next = URL(string: place, relativeTo: URL(string: url))?.absoluteURL, let scheme = next.scheme
            else { throw ContainerError(.unavailable, "\(image.host) redirects to nowhere") }
            guard scheme == "https" || (scheme == "http" && start.hasPrefix("http:")) else {
                throw ContainerError(
                    .unavailable, "\(image.host) redirects to an address without TLS, which is refused")
            }
            url = next.absoluteString
        }
        throw ContainerError(.unavailable, "\(image.host) redirects more than \(limits.redirects) times")
    }

    private func execute(
        _ request: HTTPClientRequest, _ timeout: Int64, _ host: String
    ) async throws(ContainerError) -> HTTPClientResponse {
        do {
            return try await http.execute(request, timeout: .milliseconds(timeout))
        } catch {
            throw ContainerError(.unavailable, "the registry \(host) cannot be asked: \(error)")
        }
    }

    /// The header that answers a challenge; `nil` when there is nothing to answer with.
    private func access(
        to image: ImageReference, _ challenge: RegistryChallenge, _ account: (username: String, password: Secret)?
    ) async throws(ContainerError) -> RegistryTokens.Access? {
        switch challenge {
        case .basic:
            guard let account else { return nil }
            return RegistryTokens.Access(header: Self.basic(account), until: .max)
        case .bearer(let realm, let service, let scope):
            guard var address = URLComponents(string: realm), let scheme = address.scheme, address.host != nil,
                scheme == "https" || (scheme == "http" && settings.isPlain(image))
            else {
                throw ContainerError(.unavailable, "\(image.host) names no token server with TLS: \"\(realm)\"")
            }
            var query = address.queryItems ?? []
            if let service { query.append(URLQueryItem(name: "service", value: service)) }
            query.append(URLQueryItem(name: "scope", value: scope ?? "repository:\(image.path):pull"))
            address.queryItems = query
            var request = HTTPClientRequest(url: address.string ?? realm)
            if let account { request.headers.add(name: "Authorization", value: Self.basic(account).reveal()) }
            let response = try await execute(request, limits.answer, image.host)
            guard response.status == .ok else { throw await failure(response, "a token for \(image)") }
            let bytes = try await collect(response, upTo: 256 << 10, "the token for \(image)")
            guard let answer = try? JSONValue(parsing: bytes),
                let token = answer["token"]?.string ?? answer["access_token"]?.string, Self.isHeaderValue(token)
            else { throw ContainerError(.unavailable, "the token server of \(image.host) gives no token") }
            // A minute is what is promised when nothing is said ("Token Response Fields").
            let seconds = max(60, min(answer["expires_in"]?.integer ?? 60, 3_600))
            return RegistryTokens.Access(header: Secret("Bearer \(token)"), until: Self.now + (seconds - 15) * 1_000)
        }
    }

    /// Docker's registry has another name than its images.
    private static func server(_ host: String) -> String {
        host == ImageReference.dockerHost ? "registry-1.docker.io" : host
    }

    private static func basic(_ account: (username: String, password: Secret)) -> Secret {
        Secret("Basic " + Base64.encode(Array("\(account.username):\(account.password.reveal())".utf8)))
    }

    private static func isHeaderValue(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }

    static func isSameOrigin(_ one: String, _ other: String) -> Bool {
        guard let a = URL(string: one), let b = URL(string: other) else { return false }
        return a.scheme == b.scheme && a.host == b.host && a.port == b.port
    }

    private static var now: Int64 { Int64(Date().timeIntervalSince1970 * 1_000) }
}
