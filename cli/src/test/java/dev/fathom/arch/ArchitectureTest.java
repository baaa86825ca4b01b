package dev.fathom.arch;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.EvaluationResult;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Fathom keeps every {@link ArchitectureRule}, and every rule sees the classes made to break it. */
class ArchitectureTest {
    private static final List<ArchitectureRule> RULES = ArchitectureRule.ALL;

    /** All of Fathom: cli sees every module. */
    private static final JavaClasses FATHOM = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages(ArchitectureRule.ROOT);

    private static final JavaClasses VIOLATIONS = new ClassFileImporter().importPackages(ArchitectureRule.VIOLATIONS);

    @ParameterizedTest(name = "{0}")
    @FieldSource("RULES")
    void fathomKeeps(ArchitectureRule rule) {
        rule.rule().in(ArchitectureRule.ROOT).check(FATHOM);
    }

    @ParameterizedTest(name = "{0}: {1}")
    @MethodSource("violations")
    void aRuleSees(ArchitectureRule rule, Class<?> violation) {
        EvaluationResult result = rule.rule()
                .in(ArchitectureRule.VIOLATIONS)
                .allowEmptyShould(true)
                .evaluate(VIOLATIONS);

        assertThat(result.getFailureReport().getDetails()).anyMatch(detail -> detail.contains(violation.getName()));
    }

    /** Of the classes made to break rules, a rule sees those made for it and no others. */
    @ParameterizedTest(name = "{0}")
    @FieldSource("RULES")
    void aRuleSeesNothingElse(ArchitectureRule rule) {
        EvaluationResult result = rule.rule()
                .in(ArchitectureRule.VIOLATIONS)
                .allowEmptyShould(true)
                .evaluate(VIOLATIONS);

        assertThat(result.getFailureReport().getDetails())
                .allMatch(detail ->
                        rule.violations().stream().anyMatch(violation -> detail.contains(violation.getName())));
    }

    @Test
    void everyModuleHasItsArrows() {
        Set<String> modules = new TreeSet<>();
        for (JavaClass type : FATHOM) {
            modules.add(ArchitectureRule.moduleOf(type, ArchitectureRule.ROOT));
        }

        assertThat(modules)
                .as("modules in the sources, and those in ArchitectureRule.ARROWS")
                .isEqualTo(new TreeSet<>(ArchitectureRule.ARROWS.keySet()));
    }

    private static Stream<Arguments> violations() {
        return RULES.stream()
                .flatMap(rule -> rule.violations().stream().map(violation -> Arguments.of(rule, violation)));
    }
}
