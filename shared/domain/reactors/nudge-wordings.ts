import type { JourneyStep } from "../journey-steps.ts";
import type { NudgeType } from "../nudge-types.ts";

/** What a user reads, in French. */
export interface Wording {
  readonly title: string;
  readonly message: string;
  readonly cta_label: string;
}

/** What a wording may speak of. */
export interface Subject {
  /** The job that the user chose. */
  readonly métier: string | undefined;
  /** The step of Aube's journey that the user is at. */
  readonly step: JourneyStep | undefined;
}

type Words = (subject: Subject) => Wording;

/** The wordings of each type, by variant. The first is what a held-out user would have read. */
export const wordings: Readonly<Record<NudgeType, Readonly<Record<string, Words>>>> = {
  wellbeing_support: {
    a: () => ({
      title: "Et si vous preniez un moment pour vous ?",
      message:
        "Changer de voie demande beaucoup, et les jours plus lourds en font partie. Phoenix Rise vous propose une méditation ou quelques lignes dans votre journal, quand vous le voulez. Si cela dure ou vous pèse, parlez-en à un proche ou à votre médecin.",
      cta_label: "Prendre un moment",
    }),
    b: () => ({
      title: "Avancez à votre rythme",
      message:
        "Une reconversion remue, et c'est normal. Rien ne presse : une pause avec Phoenix Rise peut aider à y voir plus clair. Et si le poids reste, en parler à un proche ou à votre médecin peut soulager.",
      cta_label: "Faire une pause",
    }),
  },
  aube_to_cv: {
    a: ({ métier }) => ({
      title: "Votre projet mérite un CV à son image",
      message: `${
        métier ? `Vous avez choisi votre prochain métier : ${métier}. ` : ""
      }Phoenix CV vous aide à mettre en avant les compétences qui vous y mènent.`,
      cta_label: "Créer mon CV",
    }),
    b: ({ métier }) => ({
      title: "Prochaine étape : votre CV",
      message: `${
        métier ? `${métier} : le cap est fixé. ` : ""
      }Avec Phoenix CV, construisez un CV qui part de ce que vous savez déjà faire et montre où vous allez.`,
      cta_label: "Commencer mon CV",
    }),
  },
  aube_to_letters: {
    a: ({ métier }) => ({
      title: "Racontez votre reconversion",
      message: `${
        métier ? `Votre nouveau cap : ${métier}. ` : ""
      }Phoenix Letters vous aide à expliquer ce choix, avec vos mots, dans une lettre de motivation.`,
      cta_label: "Rédiger ma lettre",
    }),
    b: ({ métier }) => ({
      title: "Un nouveau cap, une lettre pour l'expliquer",
      message: `Un changement de voie se comprend mieux quand il est raconté. ${
        métier
          ? `Reliez votre parcours à votre nouveau métier, ${métier}, avec Phoenix Letters.`
          : "Reliez votre parcours à votre projet avec Phoenix Letters."
      }`,
      cta_label: "Écrire ma lettre",
    }),
  },
  letters_to_cv: {
    a: () => ({
      title: "Optimisez vos chances avec Phoenix CV !",
      message:
        "Une lettre convainc mieux avec un CV qui lui répond. Phoenix CV vous aide à en créer un, accordé à l'offre que vous visez.",
      cta_label: "Créer mon CV",
    }),
    b: () => ({
      title: "Optimisez vos chances avec Phoenix CV !",
      message:
        "Votre candidature prend forme dans Phoenix Letters. Complétez-la par un CV clair pour les recruteurs comme pour leurs logiciels de tri.",
      cta_label: "Compléter ma candidature",
    }),
  },
  cv_to_letters: {
    a: () => ({
      title: "Votre CV mérite une lettre à sa hauteur",
      message:
        "Phoenix Letters rédige avec vous une lettre de motivation qui reprend les points forts de votre CV.",
      cta_label: "Rédiger ma lettre",
    }),
    b: () => ({
      title: "Et la lettre de motivation ?",
      message:
        "Votre CV avance. Phoenix Letters vous aide à écrire la lettre qui l'accompagne, à partir de l'offre que vous visez.",
      cta_label: "Écrire ma lettre",
    }),
  },
  ecosystem_to_rise: {
    a: () => ({
      title: "Votre projet avance. Et vous ?",
      message:
        "Changer de métier, c'est aussi tenir dans la durée. Phoenix Rise vous aide à fixer vos objectifs, à suivre vos progrès et à garder confiance.",
      cta_label: "Découvrir Phoenix Rise",
    }),
    b: () => ({
      title: "Un soutien pour la suite",
      message:
        "Préparer une candidature prend du temps et de l'énergie. Avec Phoenix Rise, faites régulièrement le point : ce qui avance, ce qui pèse, ce qui vient ensuite.",
      cta_label: "Faire le point",
    }),
  },
  letters_to_rise: {
    a: () => ({
      title: "Gardez le cap pendant vos candidatures",
      message:
        "Écrire, postuler, attendre une réponse : ce n'est pas toujours facile. Phoenix Rise vous accompagne entre deux candidatures, à votre rythme.",
      cta_label: "Découvrir Phoenix Rise",
    }),
    b: () => ({
      title: "Vos candidatures avancent",
      message:
        "Et si vous vous fixiez un objectif qui vous ressemble ? Avec Phoenix Rise, notez-le et suivez vos progrès, pas à pas.",
      cta_label: "Fixer mon objectif",
    }),
  },
  journey_stalled: {
    a: ({ step }) => ({ ...resume(step), cta_label: "Reprendre mon exploration" }),
    b: ({ step }) => ({
      title: "Votre exploration vous attend",
      message: resume(step).message,
      cta_label: "Continuer là où j'en étais",
    }),
  },
};

/** An invitation to go on with a step. */
function resume(step: JourneyStep | undefined): Pick<Wording, "title" | "message"> {
  switch (step) {
    case "valeurs_explorées":
      return {
        title: "Prochaine étape : vos valeurs",
        message:
          "Qu'est-ce qui compte pour vous au travail ? Reprenez votre exploration avec Phoenix Aube par cette question : votre progression est gardée.",
      };
    case "compétences_révélées":
      return {
        title: "Prochaine étape : vos compétences",
        message:
          "Vous savez sans doute faire plus que vous ne le pensez. Phoenix Aube vous aide à nommer vos compétences, y compris celles qui se transposent ailleurs.",
      };
    case "tests_psychométriques_complétés":
      return {
        title: "Prochaine étape : les tests",
        message:
          "Les tests de personnalité et d'intérêts vous attendent dans Phoenix Aube. Il n'y a ni bonne ni mauvaise réponse : faites-les au moment qui vous convient.",
      };
    case "recommandations_générées":
      return {
        title: "Prochaine étape : vos recommandations",
        message:
          "Vous avez répondu à l'essentiel. Revenez dans Phoenix Aube découvrir des métiers proches de ce que vous êtes et de ce que vous savez faire.",
      };
    case "validation_ia_effectuée":
      return {
        title: "Prochaine étape : votre métier face à l'IA",
        message:
          "Vos recommandations sont prêtes. Phoenix Aube vous aide à voir comment chacun de ces métiers pourrait évoluer avec l'IA, avant de choisir.",
      };
    case "métier_choisi":
      return {
        title: "Prochaine étape : votre choix",
        message:
          "Vous avez tout pour choisir, et rien ne presse. Revenez comparer vos recommandations dans Phoenix Aube quand vous vous sentirez prêt ou prête.",
      };
    default:
      return {
        title: "Reprenez votre exploration",
        message:
          "Votre exploration avec Phoenix Aube est en pause. Vous pouvez la reprendre là où vous l'avez laissée.",
      };
  }
}
