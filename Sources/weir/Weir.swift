import ArgumentParser
import AsyncHTTPClient
import WeirServer

@main
struct Weir: AsyncParsableCommand {
    func run() async throws { print("weir") }
}
