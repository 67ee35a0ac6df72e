import Formatting
import Settings

/// The page of the settings file: every key with its default, its documentation and the accepted values.
enum SettingsPage {
    static var text: String {
        var page = Roff(
            "KANTAIBERT.YAML", section: 5, version: "kantaibert \(Release.version)", manual: "Kantaibert")
        page.section("NAME")
        page.line("kantaibert.yaml \\- settings of kantaibertd")
        page.section("SYNOPSIS")
        page.line(Roff.italic("/etc/kantaibert/kantaibert.yaml"))
        page.section("DESCRIPTION")
        page.paragraphs(
            """
            A YAML file with a section for each model, which has the model's name, and one for each part of the service. \
            Every key has a default, which is shown after it; an empty file means the defaults.

            Environment variables override keys: KANTAIBERT_, then the key in capitals with _ for each dot, as in \
            \(SettingsSource.variable(for: "schedule.settle"))=10s or \
            \(SettingsSource.variable(for: "assistant.learning_rate"))=0.0005.

            If a setting is invalid, kantaibertd reports the file and line, or the variable, and does not start: exit \
            status 78. Unknown keys are errors, too.

            kantaibertd reads the file again on SIGHUP (systemctl reload). Keys marked with "Needs a restart" keep their \
            values until the service is restarted.
            """)
        page.section("THE SECTION OF A MODEL")
        page.paragraphs(
            "The defaults shown are those of a model with objective mlm, preset auto and recipe default.")
        for setting in SettingDescription.model { add(setting, to: &page) }
        page.section("THE SERVICE")
        for setting in SettingDescription.service { add(setting, to: &page) }
        page.section("FILES")
        page.item(Roff.italic("/etc/kantaibert/kantaibert.yaml"), "Read unless --config names another file.")
        page.item(Roff.italic("/etc/default/kantaibertd"), "Environment variables of the service under systemd.")
        page.section("SEE ALSO")
        page.line("\(Roff.bold("kantaibertd"))(8), \(Roff.bold("kbctl"))(1)")
        return page.text
    }

    private static func add(_ setting: SettingDescription, to page: inout Roff) {
        let text = [
            setting.documentation, "Expects \(setting.expected).", setting.needsRestart ? "Needs a restart." : "",
        ]
        page.item(
            Roff.bold("\(setting.key):") + " \(Roff.escaped(setting.defaultText))",
            text.filter { !$0.isEmpty }.joined(separator: " "))
    }
}
