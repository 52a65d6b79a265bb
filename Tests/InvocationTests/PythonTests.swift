import CloudEvents
import Functions
import Testing

@testable import Invocation

@Suite(.enabled(if: InvocationFixture.hasPython, "python3 is not installed"))
struct PythonTests {
    @Test func mainGetsParametersWithArgumentsOverThem() async throws {
        try await withInvoker { fixture in
            let function = try fixture.python(
                "greet", "def main(args): return {'text': args['hello'] + ' ' + args['name']}",
                parameters: ["hello": "Moin", "name": "nobody"])
            let activation = await fixture.call(function, ["name": "Ada"])
            #expect(activation.status == .success)
            #expect(activation.json == ["text": "Moin Ada"])
            #expect(activation.isolation == 0)
            #expect(activation.initMilliseconds != nil)
            #expect(activation.id.count == 32)
        }
    }
}
