/** The sentences of this page: English, French, Spanish, Swedish. The dashboard has its own. */

const LANGUAGES = ["en", "fr", "es", "sv"];

// prettier-ignore
const STRINGS = {
  title: ["Explanations", "Explications", "Explicaciones", "Förklaringar"],
  loading: ["Reading…", "Lecture…", "Leyendo…", "Läser…"],
  none: ["There are no explanations here yet.", "Il n’y a pas encore d’explications ici.", "Aún no hay explicaciones aquí.", "Här finns inga förklaringar än."],
  how: ["Upload one from a training script or a notebook:", "Envoyez-en une depuis un script d’entraînement ou un notebook :", "Suba una desde un script de entrenamiento o un cuaderno:", "Ladda upp en från ett träningsskript eller en notebook:"],
  noComment: ["No comment", "Sans commentaire", "Sin comentario", "Ingen kommentar"],
  rows: ["rows", "lignes", "filas", "rader"],
  features: ["features", "variables", "variables", "variabler"],
  open: ["Open", "Ouvrir", "Abrir", "Öppna"],
  compare: ["Compare", "Comparer", "Comparar", "Jämför"],
  compareChosen: ["Compare the two chosen", "Comparer les deux choisies", "Comparar las dos elegidas", "Jämför de två valda"],
  chooseTwo: ["Choose two to compare", "Choisissez-en deux à comparer", "Elija dos para comparar", "Välj två att jämföra"],
  back: ["All explanations", "Toutes les explications", "Todas las explicaciones", "Alla förklaringar"],
  link: ["Copy link", "Copier le lien", "Copiar enlace", "Kopiera länk"],
  copied: ["Copied", "Copié", "Copiado", "Kopierad"],
  retry: ["Try again", "Réessayer", "Reintentar", "Försök igen"],
  failed: ["This can't be shown", "Affichage impossible", "No se puede mostrar", "Det här kan inte visas"],
  gone: ["This explanation is no longer there.", "Cette explication n’existe plus.", "Esta explicación ya no existe.", "Förklaringen finns inte längre."],
  search: ["Find a run, comment or feature", "Chercher une exécution, un commentaire ou une variable", "Buscar una ejecución, un comentario o una variable", "Sök körning, kommentar eller variabel"],
  sort: ["Sort by", "Trier par", "Ordenar por", "Sortera efter"],
  sortTime: ["newest first", "plus récentes d’abord", "más recientes primero", "nyaste först"],
  sortName: ["run name", "nom", "nombre", "körningens namn"],
  sortFeature: ["rank of the marked feature", "rang de la variable marquée", "puesto de la variable marcada", "den markerade variabelns plats"],
  run: ["Run", "Exécution", "Ejecución", "Körning"],
  when: ["Uploaded", "Envoyée", "Subida", "Uppladdad"],
  comment: ["Comment", "Commentaire", "Comentario", "Kommentar"],
  top: ["Most important features", "Variables les plus importantes", "Variables más importantes", "Viktigaste variablerna"],
  more: ["Load older runs", "Charger les exécutions plus anciennes", "Cargar ejecuciones anteriores", "Läs in äldre körningar"],
  latestOnly: ["Latest explanation of each run", "Dernière explication de chaque exécution", "Última explicación de cada ejecución", "Senaste förklaringen för varje körning"],
  changes: ["Arrows: change of rank since the next older run shown. Click a feature to mark it.", "Flèches : changement de rang depuis l’exécution précédente affichée. Cliquez sur une variable pour la marquer.", "Flechas: cambio de puesto desde la ejecución anterior mostrada. Pulse una variable para marcarla.", "Pilar: ändrad plats sedan närmast äldre visade körning. Klicka på en variabel för att markera den."],
  newTop: ["new", "nouvelle", "nueva", "ny"],
  live: ["What-if and ICE need the live model, which the tracking server does not run. In a notebook:", "La perturbation et l’ICE ont besoin du modèle, que ce serveur n’exécute pas. Dans un notebook :", "La perturbación y el ICE necesitan el modelo, que este servidor no ejecuta. En un cuaderno:", "Tänk om och ICE behöver modellen, som servern inte kör. I en notebook:"],
  noRun: ["This version was not made by a run, so there is nothing to look up.", "Cette version ne vient d’aucune exécution : rien à chercher.", "Esta versión no procede de ninguna ejecución: no hay nada que buscar.", "Versionen gjordes inte av någon körning, så det finns inget att slå upp."],
  noPlace: ["Open this page from a run, a model, a model version or an experiment.", "Ouvrez cette page depuis une exécution, un modèle, une version ou une expérience.", "Abra esta página desde una ejecución, un modelo, una versión o un experimento.", "Öppna sidan från en körning, en modell, en version eller ett experiment."],
} satisfies Record<string, readonly [string, string, string, string]>;

export type Text = (key: keyof typeof STRINGS) => string;

/** Returns the sentences in the first of some languages that is known, else in English. */
export function sentences(languages: readonly string[]): Text {
  const known = languages.map((tag) => LANGUAGES.indexOf(tag.toLowerCase().split("-")[0])).find((place) => place >= 0) ?? 0;
  return (key) => STRINGS[key][known];
}
