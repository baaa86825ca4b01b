package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;

/** What holds for every command and every option, whoever adds them. */
class CommandTreeTest {
    private static final List<CommandSpec> COMMANDS =
            withSubcommands(Main.commandLine().getCommandSpec());

    @Test
    void everyCommandAndEveryOptionIsDescribed() {
        for (CommandSpec command : COMMANDS) {
            assertThat(command.usageMessage().description())
                    .as("description of %s", command.qualifiedName())
                    .isNotEmpty();
            for (ArgSpec argument : command.args()) {
                assertThat(argument.description())
                        .as("description of %s in %s", argument.paramLabel(), command.qualifiedName())
                        .isNotEmpty();
            }
        }
    }

    /** NullAway takes picocli's word that it fills the fields in, which it does not for an option that is not given. */
    @Test
    void anOptionThatMayBeMissingIsNullable() throws Exception {
        for (CommandSpec command : COMMANDS) {
            for (ArgSpec argument : command.args()) {
                if (argument.userObject() instanceof Field field
                        && !argument.required()
                        && !field.getType().isPrimitive()
                        && argument.getValue() == null
                        && argument.defaultValue() == null) {
                    assertThat(field.getAnnotatedType().isAnnotationPresent(Nullable.class))
                            .as("%s is null when it is not given: it needs @Nullable or a default value", field)
                            .isTrue();
                }
            }
        }
    }

    @Test
    void aCommandIsFoundByItsName() {
        Main.commandLine()
                .getSubcommands()
                .forEach((name, command) ->
                        assertThat(command.getCommandSpec().name()).isEqualTo(name));
    }

    /** The tree that is built for one command has that command, with what it inherits. */
    @Test
    void oneCommandAlone() {
        CommandLine alone = Main.commandLine(Terminals.NONE, "chat", "run");

        assertThat(alone.getSubcommands()).containsOnlyKeys("chat");
        assertThat(alone.getSubcommands().get("chat").getUsageMessage())
                .isEqualTo(Main.commandLine().getSubcommands().get("chat").getUsageMessage())
                .contains("--debug");
        assertThat(Main.commandLine(Terminals.NONE, "help").getSubcommands()).containsKeys("learn", "runs");
    }

    private static List<CommandSpec> withSubcommands(CommandSpec command) {
        List<CommandSpec> commands = new ArrayList<>(List.of(command));
        command.subcommands().values().forEach(child -> commands.addAll(withSubcommands(child.getCommandSpec())));
        return commands;
    }
}
