package dev.fathom.arch;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.AccessTarget;
import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.lang.ArchRule;
import dev.fathom.archfixture.avx512.Avx512ThatKnowsModels;
import dev.fathom.archfixture.bench.BenchThatKnowsTheCli;
import dev.fathom.archfixture.cli.CliThatNamesOneDnn;
import dev.fathom.archfixture.engine.EngineThatKnowsModels;
import dev.fathom.archfixture.engine.EngineThatOpensFiles;
import dev.fathom.archfixture.engine.EngineThatUsesALibrary;
import dev.fathom.archfixture.infer.InferThatKnowsLearning;
import dev.fathom.archfixture.langchain4j.LangChain4jThatKnowsTheServer;
import dev.fathom.archfixture.learn.LearnThatDrawsAnyRandomNumber;
import dev.fathom.archfixture.learn.LearnThatEndsTheJvm;
import dev.fathom.archfixture.learn.LearnThatKnowsTheCli;
import dev.fathom.archfixture.learn.LearnThatLogsWithJul;
import dev.fathom.archfixture.learn.LearnThatPrints;
import dev.fathom.archfixture.learn.LearnThatPrintsWithIo;
import dev.fathom.archfixture.learn.LearnThatSpeaksHttp;
import dev.fathom.archfixture.learn.LearnThatUsesTheCommonPool;
import dev.fathom.archfixture.learn.LearnThatUsesTheCommonPoolUnasked;
import dev.fathom.archfixture.model.ModelThatKnowsInference;
import dev.fathom.archfixture.model.ModelThatUsesAParallelStream;
import dev.fathom.archfixture.model.ModelThatUsesUnsafe;
import dev.fathom.archfixture.onednn.OneDnnThatKnowsModels;
import dev.fathom.archfixture.plan.PlanThatKnowsLearning;
import dev.fathom.archfixture.serve.ServeThatKnowsLearning;
import java.io.Console;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.ForkJoinPool;
import java.util.function.Predicate;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import java.util.stream.BaseStream;
import java.util.stream.StreamSupport;

/**
 * The rules of the house that a compiler does not check (docs/architecture.md), each with classes that break it, so that
 * {@link ArchitectureTest} can show that the rule sees them.
 *
 * @param name what the rule says
 * @param rule the rule for the modules below a root package: {@code dev.fathom}, or that of the violations
 * @param violations classes below {@link #VIOLATIONS}, each of which breaks the rule
 */
record ArchitectureRule(String name, ForRoot rule, List<Class<?>> violations) {
    static final String ROOT = "dev.fathom";
    static final String VIOLATIONS = "dev.fathom.archfixture";

    /** For each module, the modules it may know. Whoever adds a module adds it here. */
    static final Map<String, Set<String>> ARROWS = Map.ofEntries(
            Map.entry("engine", Set.of()),
            Map.entry("avx512", Set.of("engine")),
            Map.entry("onednn", Set.of("engine")),
            Map.entry("model", Set.of("engine")),
            Map.entry("infer", Set.of("model", "engine")),
            Map.entry("serve", Set.of("infer", "model", "engine")),
            Map.entry("langchain4j", Set.of("infer", "model", "engine")),
            Map.entry("learn", Set.of("infer", "model", "engine")),
            // No tensors: not even engine.
            Map.entry("plan", Set.of("model")),
            Map.entry("bench", Set.of("learn", "infer", "model", "engine")),
            // Not onednn: providers of kernels are found by ServiceLoader and may be absent.
            Map.entry("cli", Set.of("bench", "serve", "learn", "infer", "plan", "model", "engine")));

    private static final Set<String> COMMON_POOL_METHODS = Set.of("parallelStream", "parallel");
    private static final Set<String> ARRAYS_METHODS = Set.of("parallelSort", "parallelPrefix", "parallelSetAll");

    @FunctionalInterface
    interface ForRoot {
        ArchRule in(String root);
    }

    static final List<ArchitectureRule> ALL = List.of(
            arrows("engine", EngineThatKnowsModels.class),
            arrows("avx512", Avx512ThatKnowsModels.class),
            arrows("onednn", OneDnnThatKnowsModels.class),
            arrows("model", ModelThatKnowsInference.class),
            arrows("infer", InferThatKnowsLearning.class),
            arrows("serve", ServeThatKnowsLearning.class),
            arrows("langchain4j", LangChain4jThatKnowsTheServer.class),
            arrows("learn", LearnThatKnowsTheCli.class),
            arrows("bench", BenchThatKnowsTheCli.class),
            arrows("plan", PlanThatKnowsLearning.class),
            arrows("cli", CliThatNamesOneDnn.class),
            new ArchitectureRule(
                    "engine depends on the JDK alone",
                    root -> classes()
                            .that()
                            .resideInAPackage(root + ".engine..")
                            .should()
                            .onlyDependOnClassesThat()
                            .resideInAnyPackage(
                                    root + ".engine..", "java..", "jdk.incubator.vector..", "org.jspecify.annotations"),
                    List.of(EngineThatUsesALibrary.class, EngineThatKnowsModels.class)),
            new ArchitectureRule(
                    "engine does not know files",
                    root -> noClasses()
                            .that()
                            .resideInAPackage(root + ".engine..")
                            .should()
                            .dependOnClassesThat()
                            .resideInAPackage("java.nio.file..")
                            .orShould()
                            .dependOnClassesThat()
                            .haveNameMatching("java\\.io\\.(File|RandomAccess).*|java\\.nio\\.channels\\.FileChannel"),
                    List.of(EngineThatOpensFiles.class)),
            new ArchitectureRule(
                    "engine, model, infer, plan and learn do not know HTTP",
                    root -> noClasses()
                            .that()
                            .resideInAnyPackage(
                                    root + ".engine..",
                                    root + ".model..",
                                    root + ".infer..",
                                    root + ".plan..",
                                    root + ".learn..")
                            .should()
                            .dependOnClassesThat()
                            .resideInAnyPackage("java.net.http..", "com.sun.net.httpserver..", "io.helidon.."),
                    List.of(LearnThatSpeaksHttp.class)),
            new ArchitectureRule(
                    "only cli writes to the console",
                    root -> noClasses()
                            .that(are(root, "outside of cli", module -> !module.equals("cli")))
                            .should()
                            .accessTargetWhere(
                                    describe("standard streams or the console", ArchitectureRule::isConsole)),
                    List.of(LearnThatPrints.class, LearnThatPrintsWithIo.class)),
            new ArchitectureRule(
                    "only cli ends the JVM",
                    root -> noClasses()
                            .that(are(root, "outside of cli", module -> !module.equals("cli")))
                            .should()
                            .accessTargetWhere(describe("System.exit or Runtime.halt", ArchitectureRule::endsTheJvm)),
                    List.of(LearnThatEndsTheJvm.class)),
            new ArchitectureRule(
                    "libraries log through System.Logger",
                    root -> noClasses()
                            .that()
                            .resideInAPackage(root + "..")
                            // Decides what of the log is shown.
                            .and()
                            .resideOutsideOfPackage(root + ".cli..")
                            .should()
                            .dependOnClassesThat()
                            .resideInAnyPackage(
                                    "java.util.logging..",
                                    "org.slf4j..",
                                    "org.apache.logging..",
                                    "org.apache.commons.logging..",
                                    "ch.qos.logback.."),
                    List.of(LearnThatLogsWithJul.class)),
            new ArchitectureRule(
                    "nobody uses Unsafe",
                    root -> noClasses()
                            .that()
                            .resideInAPackage(root + "..")
                            .should()
                            .dependOnClassesThat()
                            .resideInAnyPackage("sun.misc..", "jdk.internal.."),
                    List.of(ModelThatUsesUnsafe.class)),
            new ArchitectureRule(
                    "nobody uses the common pool: the WorkerPool decides how work is divided",
                    root -> noClasses()
                            .that()
                            .resideInAPackage(root + "..")
                            .should()
                            .accessTargetWhere(describe("the common pool", ArchitectureRule::usesCommonPool)),
                    List.of(
                            ModelThatUsesAParallelStream.class,
                            LearnThatUsesTheCommonPool.class,
                            LearnThatUsesTheCommonPoolUnasked.class)),
            new ArchitectureRule(
                    "random numbers are counter-based: others make no exact rerun",
                    root -> noClasses()
                            .that()
                            .resideInAPackage(root + "..")
                            .should()
                            .accessTargetWhere(describe("a stateful random generator", ArchitectureRule::drawsRandom)),
                    List.of(LearnThatDrawsAnyRandomNumber.class)));

    private static ArchitectureRule arrows(String module, Class<?> violation) {
        Set<String> allowed = new TreeSet<>(ARROWS.get(module));
        return new ArchitectureRule(
                module + " knows no other module than " + allowed,
                root -> noClasses()
                        .that()
                        .resideInAPackage(root + "." + module + "..")
                        .should()
                        .dependOnClassesThat(are(
                                root,
                                "of other modules than " + allowed,
                                other -> !other.equals(module) && !allowed.contains(other))),
                List.of(violation));
    }

    /** Classes below {@code root} whose module, the next part of their package, passes the test. */
    private static DescribedPredicate<JavaClass> are(String root, String description, Predicate<String> module) {
        return describe("are " + description, type -> {
            String prefix = root + ".";
            return type.getPackageName().startsWith(prefix) && module.test(moduleOf(type, root));
        });
    }

    /** The part of a class's package that follows {@code root}: {@code engine} for dev.fathom.engine.x.Y. */
    static String moduleOf(JavaClass type, String root) {
        return type.getPackageName().substring(root.length() + 1).split("\\.", 2)[0];
    }

    private static boolean isConsole(JavaAccess<?> access) {
        AccessTarget target = access.getTarget();
        return isMember(target, System.class, Set.of("out", "err", "in", "console", "setOut", "setErr"))
                || target.getOwner().isEquivalentTo(IO.class)
                || target.getOwner().isEquivalentTo(Console.class)
                || (target.getOwner().isAssignableTo(Throwable.class)
                        && target.getName().equals("printStackTrace")
                        && target instanceof AccessTarget.CodeUnitAccessTarget method
                        && method.getRawParameterTypes().isEmpty());
    }

    private static boolean endsTheJvm(JavaAccess<?> access) {
        return isMember(access.getTarget(), System.class, Set.of("exit"))
                || isMember(access.getTarget(), Runtime.class, Set.of("exit", "halt"));
    }

    private static boolean usesCommonPool(JavaAccess<?> access) {
        AccessTarget target = access.getTarget();
        boolean isStream = target.getOwner().isAssignableTo(BaseStream.class)
                || target.getOwner().isAssignableTo(Collection.class)
                || target.getOwner().isEquivalentTo(StreamSupport.class);
        return (isStream && COMMON_POOL_METHODS.contains(target.getName()))
                || isMember(target, Arrays.class, ARRAYS_METHODS)
                || isMember(target, ForkJoinPool.class, Set.of("commonPool"))
                // The methods named ...Async use the common pool unless their last parameter is an executor.
                || (target.getOwner().isEquivalentTo(CompletableFuture.class)
                        && target.getName().endsWith("Async")
                        && target instanceof AccessTarget.CodeUnitAccessTarget method
                        && method.getRawParameterTypes().stream()
                                .noneMatch(type -> type.isEquivalentTo(Executor.class)));
    }

    private static boolean drawsRandom(JavaAccess<?> access) {
        AccessTarget target = access.getTarget();
        return target.getOwner().isAssignableTo(Random.class)
                || target.getOwner().isEquivalentTo(SplittableRandom.class)
                || target.getOwner().isEquivalentTo(RandomGeneratorFactory.class)
                || isMember(target, RandomGenerator.class, Set.of("of", "getDefault"))
                || isMember(target, Math.class, Set.of("random"))
                || isMember(target, Collections.class, Set.of("shuffle"));
    }

    private static boolean isMember(AccessTarget target, Class<?> owner, Set<String> names) {
        return target.getOwner().isEquivalentTo(owner) && names.contains(target.getName());
    }

    @Override
    public String toString() {
        return name;
    }
}
