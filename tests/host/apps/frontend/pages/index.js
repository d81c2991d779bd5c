import release from "../release.json";

export default function Home({ renderedAt }) {
  return (
    <main>
      <h1>모임</h1>
      <p id="version">{`frontend release ${release.version}`}</p>
      <time>{renderedAt}</time>
    </main>
  );
}

// Rendered by the server at each request, so a page that answers proves that the process works.
export function getServerSideProps() {
  console.log(`${new Date().toISOString()} INFO rendered / by release ${release.version}`);
  return { props: { renderedAt: new Date().toISOString() } };
}
