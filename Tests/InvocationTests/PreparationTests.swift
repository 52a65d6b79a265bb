import CloudEvents
import Foundation
import Functions
import Logging
import Sandboxes
import TestSupport
import Testing

@testable import Invocation

/// Installing what functions declare, with packages that the tests make themselves: no network is needed.
@Suite(.fewAtATime, .enabled(if: InvocationFixture.hasPython, "python3 is not installed"))
struct PreparationTests {
    /// Whether some interpreter here has pip; asked once.
    static let hasPip = Task {
        guard let fixture = try? await InvocationFixture() else { return false }
        let python = fixture.invoker.configuration.python
        let interpreters = fixture.interpreters
        guard let target = await interpreters.python(python) else { return false }
        let found = await interpreters.installer(for: target) != nil
        await fixture.invoker.stop()
        return found
    }

    private func withPreparer(
        _ configuration: PreparationConfiguration = PreparationConfiguration(),
        _ body: @escaping @Sendable (InvocationFixture, Preparer, LayerStore) async throws -> Void
    ) async throws {
        try await withInvoker { fixture in
            let layers = try LayerStore(path: fixture.directory.file("layers"))
            let preparer = Preparer(
                configuration, fixture.invoker.configuration, launcher: fixture.launcher, layers: layers,
                interpreters: fixture.interpreters, logger: fixture.logger)
            let outcome = await Task { try await body(fixture, preparer, layers) }.result
            // Layers are read-only: they are taken away by who knows that.
            await layers.collect { [] }
            try outcome.get()
        }
    }

    /// The order for a function that the fixture has.
    private func order(
        _ fixture: InvocationFixture, _ function: FunctionReference, _ requirements: Requirements
    ) throws -> PreparationOrder {
        let version = try #require(fixture.version(namespace: "default", name: function.name, digest: nil))
        let files = try FileManager.default.subpathsOfDirectory(atPath: version.codeDirectory).filter { file in
            var isFolder: ObjCBool = false
            let path = version.codeDirectory + "/" + file
            return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder.boolValue
        }
        return PreparationOrder(
            runtime: version.runtime, work: .install(requirements), content: version.digest,
            directory: version.codeDirectory, files: files.sorted())
    }

    /// A wheel is a zip with a package and a few words about it.
    private func makeWheel(_ name: String, _ source: String, in folder: String) async throws {
        let script = """
            import os, sys, zipfile
            os.umask(0o022)
            folder, name, source = sys.argv[1:]
            info = name + "-1.0.dist-info/"
            with zipfile.ZipFile(f"{folder}/{name}-1.0-py3-none-any.whl", "w") as wheel:
                wheel.writestr(name + "/__init__.py", source)
                wheel.writestr(info + "METADATA", f"Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n")
                wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
                wheel.writestr(info + "RECORD", f"{name}/__init__.py,,\\n{info}METADATA,,\\n{info}WHEEL,,\\n{info}RECORD,,\\n")
            """
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try await run([try #require(InvocationFixture.python), "-I", "-c", script, folder, name, source])
    }

    private func run(_ arguments: [String]) async throws {
        let path = try #require(LauncherLocation.beside())
        let launcher = try Launcher(
            .init(path: path), logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        let outcome = await launcher.run(
            WorkerSpecification(
                arguments: arguments, environment: ["PATH=/usr/bin:/bin"], directory: "/", limits: [], framing: .lines,
                maximumMessage: 1 << 16), within: 60_000)
        await launcher.stop()
        #expect(outcome.isSuccess, "\(outcome.lines)")
    }

    @Test func aWheelOfTheArchiveIsInstalledOnceAndShared() async throws {
        guard await Self.hasPip.value else { return print("skipped: no python3 here has pip") }
        try await withPreparer { fixture, preparer, layers in
            let function = try fixture.python(
                "uses", "import tiny\ndef main(args): return [tiny.answer, tiny.__file__]")
            let folder = try #require(fixture.version(namespace: "default", name: "uses", digest: nil)).codeDirectory
            try await makeWheel("tiny", "answer = 42\n", in: folder + "/wheels")
            try write("# what it needs\ntiny == 1.0  # exactly\n", to: folder + "/requirements.txt")
            let order = try order(fixture, function, .file("requirements.txt"))
            #expect(await preparer.prepared(order) == nil)

            // Two at once are one piece of work.
            async let first = preparer.prepare(order)
            async let second = preparer.prepare(order)
            let layer = try await first
            #expect(try await second == layer)
            #expect(layer.kind == .python)
            #expect(await preparer.prepared(order) == layer)
            #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.directory.file("layers/work")) == [])

            // Another function with the same wheel and list has the same layer, though it was installed anew.
            let other = try fixture.python("other", "import tiny\ndef main(args): return tiny.answer + 1")
            let otherFolder = try #require(fixture.version(namespace: "default", name: "other", digest: nil))
                .codeDirectory
            try FileManager.default.copyItem(atPath: folder + "/wheels", toPath: otherFolder + "/wheels")
            let otherLayer = try await preparer.prepare(try self.order(fixture, other, .list(["tiny"])))
            #expect(otherLayer.digest == layer.digest)

            fixture.change("uses") { $0.dependencies.layers = [layer] }
            fixture.change("other") { $0.dependencies.layers = [layer] }
            let activation = await fixture.call(function)
            let inside = fixture.launcher.isolation?.canAttach == true ? "/layers/0" : layer.directory
            #expect(activation.json == [42, .string(inside + "/tiny/__init__.py")], "\(activation.logText)")
            #expect(await fixture.call(other).json == 43)

            // It is compiled already, and read-only.
            let cache = layers.folder(layer.digest) + "/tiny/__pycache__"
            #expect(try FileManager.default.contentsOfDirectory(atPath: cache).count == 1)
            #expect(await layers.collect { [layer.digest] } == [])
            #expect(await layers.collect { [] } == [layer.digest])
            #expect(await preparer.prepared(order) == nil, "what is gone is made again")
        }
    }

    @Test func whatCannotBeInstalledIsSaidAndNothingStays() async throws {
        guard await Self.hasPip.value else { return print("skipped: no python3 here has pip") }
        try await withPreparer { fixture, preparer, layers in
            let function = try fixture.python("wants", "def main(args): pass")
            let failure = await #expect(throws: FunctionError.self) {
                try await preparer.prepare(try order(fixture, function, .list(["no-such-package-anywhere==1.0"])))
            }
            #expect(failure?.code == .preparation)
            let message = try #require(failure?.message)
            #expect(message.hasPrefix("pip ended with status 1:\n"))
            #expect(message.contains("No matching distribution found for no-such-package-anywhere==1.0"))
            #expect(message.hasSuffix("its operator can allow more with --allow-installs"))
            for folder in ["work", "content", "orders"] {
                let path = fixture.directory.file("layers/" + folder)
                #expect(try FileManager.default.contentsOfDirectory(atPath: path) == [])
            }
        }
    }

    static let refused: [(String, String)] = [
        (
            "--index-url https://example.org/simple\n",
            "requirements.txt, line 1: the option --index-url is the server's"
        ),
        ("numpy\n-i https://example.org\n", "requirements.txt, line 2: the option -i is the server's"),
        ("numpy --global-option=x\n", "requirements.txt, line 1: the option --global-option is the server's"),
        ("-r ../other.txt\n", "requirements: \"../other.txt\" is not a file of the code"),
        ("-r missing.txt\n", "requirements: \"missing.txt\" is not in the code"),
        ("numpy \\\n  --no-index\n", "requirements.txt, line 2: the option --no-index is the server's"),
    ]

    @Test(arguments: Self.refused)
    func whereFromIsTheServersToSay(_ text: String, _ message: String) throws {
        let folder = try TemporaryDirectory()
        try write(text, to: folder.file("requirements.txt"))
        let failure = #expect(throws: FunctionError.self) {
            try RequirementsFile("requirements.txt", in: folder.path)
        }
        #expect(failure?.code == .invalidCode)
        #expect(failure?.message.hasPrefix(message) == true, "\(failure?.message ?? "")")
    }

    @Test func aListIsReadWithWhatItIncludes() throws {
        let folder = try TemporaryDirectory()
        try FileManager.default.createDirectory(atPath: folder.file("sub"), withIntermediateDirectories: true)
        try write(
            "numpy>=2 # fast\r\n\n# nothing\n-r sub/more.txt\nscipy \\\n  --hash=sha256:ab\n",
            to: folder.file("all.txt"))
        try write("requests[socks]; python_version > \"3\"\n-c pins.txt\n", to: folder.file("sub/more.txt"))
        let file = try RequirementsFile("all.txt", in: folder.path)
        #expect(
            file.lines == [
                "numpy>=2", "requests[socks]; python_version > \"3\"", "-c \(folder.path)/sub/pins.txt",
                "scipy --hash=sha256:ab",
            ])
        #expect(file.usesCode)
    }

    @Test(.enabled(if: InvocationFixture.hasNode, "node is not installed"))
    func packagesOfNodeAreInstalledFromTheArchive() async throws {
        try await withPreparer { fixture, preparer, _ in
            let node = try #require(await fixture.interpreters.node(fixture.invoker.configuration.node))
            guard Interpreters.npm(of: node) != nil else { return print("skipped: npm is not installed") }
            for (name, source, file) in [
                ("old", "exports.main = () => require('tiny').answer;", "index.js"),
                ("new", "import { answer } from 'tiny'; export const main = () => answer;", "index.mjs"),
            ] {
                let function = try fixture.javaScript(name, source, file: file)
                try fixture.add(
                    "package.json", #"{"name": "f", "dependencies": {"tiny": "file:./packages/tiny"}}"#, to: function)
                try fixture.add(
                    "packages/tiny/package.json", #"{"name": "tiny", "version": "1.0.0", "main": "lib.js"}"#,
                    to: function)
                try fixture.add("packages/tiny/lib.js", "exports.answer = 42;", to: function)
                let layer = try await preparer.prepare(try order(fixture, function, .file("package.json")))
                #expect(layer.kind == .nodejs)
                fixture.change(name) { $0.dependencies.layers = [layer] }
                let activation = await fixture.call(function)
                #expect(activation.json == 42, "\(name): \(activation.errorText) \(activation.logText)")
            }
        }
    }

    @Test func aPackageComesFromTheIndex() async throws {
        guard await Self.hasPip.value else { return print("skipped: no python3 here has pip") }
        try await withPreparer(PreparationConfiguration(installs: .wheels, timeout: 120_000)) { fixture, preparer, _ in
            let function = try fixture.python("letters", "import six\ndef main(args): return six.__version__")
            let layer: FunctionVersion.Layer
            do {
                layer = try await preparer.prepare(try order(fixture, function, .list(["six==1.16.0"])))
            } catch let error as FunctionError where error.message.contains("onnection") {
                return print("skipped: the package index cannot be reached: \(error.message)")
            }
            fixture.change("letters") { $0.dependencies.layers = [layer] }
            let activation = await fixture.call(function)
            #expect(activation.json == "1.16.0", "\(activation.errorText) \(activation.logText)")
        }
    }
}
